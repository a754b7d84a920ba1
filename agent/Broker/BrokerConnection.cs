using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Marionette.Agent.Hosting;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Broker;

/// <summary>One connection of the driven agent: request after request until either side has enough.</summary>
internal sealed class BrokerConnection(Socket socket, string token, BrokerForwarder forwarder, ILogger log) : IDisposable
{
    private const string Bearer = "Bearer ";

    private readonly ClientStream client = new(socket);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (await client.ReadHeadAsync(cancellationToken).ConfigureAwait(false) is { } bytes)
        {
            if (RequestHead.TryParse(bytes.Span) is not { } head)
            {
                await RefuseAsync(400, "Bad Request", "invalid_request_error", "Not a request.", cancellationToken).ConfigureAwait(false);
                return;
            }

            if (!IsAllowed(head))
            {
                log.BrokerRefused();
                await RefuseAsync(401, "Unauthorized", "authentication_error", "Not the broker's token.", cancellationToken)
                    .ConfigureAwait(false);
                return;
            }

            if (!await ForwardAsync(head, cancellationToken).ConfigureAwait(false))
                return;
        }
    }

    /// <summary>Cuts the connection, so that the client sees a break and not an end.</summary>
    public void Abort()
    {
        try
        {
            socket.LingerState = new LingerOption(true, 0);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // It is gone already.
        }

        socket.Dispose();
    }

    public void Dispose()
    {
        client.Dispose();
        socket.Dispose();
    }

    private async Task<bool> ForwardAsync(RequestHead head, CancellationToken cancellationToken)
    {
        using var life = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (head.ExpectsContinue)
            await client.WriteAsync("HTTP/1.1 100 Continue\r\n\r\n"u8.ToArray(), life.Token).ConfigureAwait(false);
        using var content = new RequestContent(client, head.BodyLength);
        try
        {
            return await forwarder.ForwardAsync(head, content, client, life).ConfigureAwait(false);
        }
        catch (UpstreamException exception)
        {
            log.BrokerFault(exception.Message);
            await RefuseAsync(502, "Bad Gateway", "api_error", exception.Message, cancellationToken).ConfigureAwait(false);
            return false;
        }
    }

    private bool IsAllowed(RequestHead head) =>
        Same(head["x-api-key"], token)
        || Same(head["x-goog-api-key"], token)
        || (head["Authorization"] is { } value && value.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase)
            && Same(value[Bearer.Length..].Trim(), token));

    private static bool Same(string? given, string wanted) =>
        given is not null
        && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given), Encoding.UTF8.GetBytes(wanted));

    // The shape of the model's own errors: the agent shows the message and knows the type.
    private async Task RefuseAsync(int status, string phrase, string type, string message, CancellationToken cancellationToken)
    {
        var text = System.Text.Json.JsonEncodedText.Encode(message);
        var body = $$$"""{"type":"error","error":{"type":"{{{type}}}","message":"{{{text}}}"}}""";
        var answer = $"HTTP/1.1 {status} {phrase}\r\nContent-Type: application/json\r\nConnection: close\r\n"
            + $"Content-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}";
        await client.WriteAsync(Encoding.UTF8.GetBytes(answer), cancellationToken).ConfigureAwait(false);
        socket.Shutdown(SocketShutdown.Send);
    }
}

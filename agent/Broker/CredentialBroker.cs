using System.Net;
using System.Net.Sockets;
using Marionette.Agent.Hosting;
using Marionette.Agent.Processes;
using Marionette.Agent.Runs;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Broker;

/// <summary>
/// Stands between the driven agent and the model, so that the agent never holds the model's credential: it gets a placeholder,
/// and the broker puts the real key into each request. It listens on loopback, answers only to the placeholder, and forwards to
/// the session's model server and nowhere else.
/// </summary>
internal sealed class CredentialBroker : IAsyncDisposable
{
    private readonly Socket listener;
    private readonly BrokerForwarder forwarder;
    private readonly ILogger log;
    private readonly CancellationTokenSource stop = new();
    private readonly Task accepting;

    private CredentialBroker(Socket listener, SetupHolder setup, TimeProvider clock, ILogger log, string? upstream)
    {
        this.listener = listener;
        this.log = log;
        Token = "mnb_" + Convert.ToHexStringLower(Libc.RandomBytes(32));
        Port = ((IPEndPoint)listener.LocalEndPoint!).Port;
        forwarder = new BrokerForwarder(setup, clock, log, upstream);
        accepting = Task.Run(AcceptAsync);
        log.BrokerStarted(Port);
    }

    /// <summary>The placeholder: worth nothing anywhere else, and nothing once this process has ended.</summary>
    public string Token { get; }

    public int Port { get; }

    /// <summary>What the driven agent takes for the model server.</summary>
    public string BaseUrl => $"http://127.0.0.1:{Port}";

    /// <summary>Monotonic time of the model's last byte.</summary>
    public long LastActivity => forwarder.LastActivity;

    /// <summary>Answers in a row with which the model refused the key.</summary>
    public int Refusals => forwarder.Refusals;

    /// <summary>When the model takes requests again, as its newest answer says; null when it says nothing.</summary>
    public DateTimeOffset? RetryAt => forwarder.RetryAt;

    /// <summary>Counts refusals anew: another run, perhaps another key.</summary>
    public void ForgetRefusals() => forwarder.ForgetRefusals();

    /// <summary>Starts to listen on a free port of 127.0.0.1.</summary>
    /// <param name="upstream">Model server of a session that names none; null for Anthropic's.</param>
    /// <exception cref="IOException">No socket could be had.</exception>
    public static CredentialBroker Start(SetupHolder setup, TimeProvider clock, ILogger log, string? upstream = null)
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            listener.Listen(64);
            return new CredentialBroker(listener, setup, clock, log, upstream);
        }
        catch (SocketException exception)
        {
            listener.Dispose();
            throw new IOException("The credential broker cannot listen: " + exception.Message, exception);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (stop.IsCancellationRequested)
            return;
        await stop.CancelAsync().ConfigureAwait(false);
        listener.Dispose();
        await accepting.ConfigureAwait(false);
        forwarder.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                var socket = await listener.AcceptAsync(stop.Token).ConfigureAwait(false);
                socket.NoDelay = true;
                _ = Task.Run(() => ServeAsync(socket));
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (ObjectDisposedException)
            {
                return;
            }
            catch (SocketException exception)
            {
                log.BrokerFault(exception.Message); // a client that was gone before it was accepted; out of descriptors
                await Task.Delay(50, CancellationToken.None).ConfigureAwait(false);
            }
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using var connection = new BrokerConnection(socket, Token, forwarder, log);
        try
        {
            await connection.RunAsync(stop.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or SocketException or OperationCanceledException
            or ObjectDisposedException or HttpRequestException)
        {
            // The client went away, or the model's answer broke off: both show to the other side as a cut connection.
            connection.Abort();
        }
    }
}

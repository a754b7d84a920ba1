using System.Threading.Channels;
using Grpc.Core;
using Marionette.Protocol.V1;
using Microsoft.AspNetCore.Http;

namespace Marionette.Agent.Tests.Support;

/// <summary>One agent's stream, as the gateway sees it.</summary>
internal sealed class GatewayConnection : IDisposable
{
    private readonly Channel<ServerMessage> outgoing = System.Threading.Channels.Channel.CreateUnbounded<ServerMessage>();
    private readonly HttpContext context;

    public GatewayConnection(IServerStreamWriter<ServerMessage> responses, HttpContext context)
    {
        this.context = context;
        _ = WriteAsync(responses);
    }

    public void Send(ServerMessage message) => outgoing.Writer.TryWrite(message);

    public void Complete() => outgoing.Writer.TryComplete();

    /// <summary>Cuts the whole TCP connection.</summary>
    public void Abort()
    {
        outgoing.Writer.TryComplete();
        var connection = context.Features.Get<Microsoft.AspNetCore.Connections.Features.IConnectionLifetimeFeature>();
        if (connection is not null)
            connection.Abort();
        else
            context.Abort();
    }

    public void Dispose() => outgoing.Writer.TryComplete();

    private async Task WriteAsync(IServerStreamWriter<ServerMessage> responses)
    {
        try
        {
            await foreach (var message in outgoing.Reader.ReadAllAsync())
                await responses.WriteAsync(message);
        }
        catch (Exception exception) when (exception is InvalidOperationException or IOException or OperationCanceledException
            or RpcException)
        {
            // The stream is over.
        }
    }
}

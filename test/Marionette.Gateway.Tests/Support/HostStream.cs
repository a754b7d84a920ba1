using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Marionette.Protocol.Hosts.V1;

namespace Marionette.Gateway.Tests.Support;

/// <summary>A host's end of a stream: what the test says, and what the gateway answers.</summary>
internal sealed class HostStream : IDisposable
{
    // The gateway's assembly has the messages and the server's half; the client's half is this one method.
    private static readonly Method<HostMessage, GatewayMessage> Connect = new(
        MethodType.DuplexStreaming, "marionette.host.v1.HostGateway", "Connect",
        Marshallers.Create(message => message.ToByteArray(), HostMessage.Parser.ParseFrom), Marshallers.Create(message => message.ToByteArray(), GatewayMessage.Parser.ParseFrom));

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly GrpcChannel channel;
    private readonly AsyncDuplexStreamingCall<HostMessage, GatewayMessage> call;

    private HostStream(Uri url)
    {
        channel = GrpcChannel.ForAddress(url);
        call = channel.CreateCallInvoker().AsyncDuplexStreamingCall(Connect, null, new CallOptions());
    }

    public static HostHello Hello(string host) => new()
    {
        Version = 1, MinVersion = 1, Pool = "metal", Host = host, Token = "mj_x", Secret = ByteString.CopyFrom(new byte[32]),
        Inventory = new Inventory { Facts = new HostFacts { Name = "rack-7", Cpus = 8, MemoryMib = 1024, DiskMib = 2048 } },
    };

    /// <summary>Dials and says hello.</summary>
    public static Task<HostStream> OpenAsync(GatewayHost gateway, HostHello hello) => OpenWithAsync(gateway, new HostMessage { Hello = hello });

    /// <summary>Dials and says something.</summary>
    public static async Task<HostStream> OpenWithAsync(GatewayHost gateway, HostMessage first)
    {
        var stream = new HostStream(gateway.GrpcUrl);
        await stream.SayAsync(first);
        return stream;
    }

    public Task SayAsync(HostMessage message) => call.RequestStream.WriteAsync(message);

    /// <summary>The next message; null at the end of the stream.</summary>
    /// <exception cref="RpcException">It ended with an error.</exception>
    public async Task<GatewayMessage?> NextAsync() => await call.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(Patience) ? call.ResponseStream.Current : null;

    /// <summary>The status that the stream ends with.</summary>
    public async Task<StatusCode> EndAsync()
    {
        try
        {
            while (await NextAsync() is not null)
            {
            }

            return call.GetStatus().StatusCode;
        }
        catch (RpcException e)
        {
            return e.StatusCode;
        }
    }

    public void Dispose()
    {
        call.Dispose();
        channel.Dispose();
    }
}

using System.Runtime.CompilerServices;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Marionette.Protocol.Workspaces.V1;

namespace Marionette.Gateway.Tests.Support;

/// <summary>A runner's end of the chunk store: each call with its proof. The gateway's assembly has the messages and the server's half alone.</summary>
internal sealed class WorkspaceClient(GatewayHost gateway, string runner, long epoch, byte[] secret) : IDisposable
{
    private const string Service = "marionette.workspace.v1.WorkspaceStore";

    private readonly GrpcChannel channel = GrpcChannel.ForAddress(gateway.GrpcUrl);

    public Task<TReply> CallAsync<TReply>(string method, IMessage request) where TReply : class, IMessage<TReply>, new() =>
        channel.CreateCallInvoker().AsyncUnaryCall(Describe<TReply>(method, MethodType.Unary), null, Options(), request).ResponseAsync;

    public async IAsyncEnumerable<TReply> StreamAsync<TReply>(string method, IMessage request, [EnumeratorCancellation] CancellationToken cancellationToken = default)
        where TReply : class, IMessage<TReply>, new()
    {
        using var call = channel.CreateCallInvoker().AsyncServerStreamingCall(Describe<TReply>(method, MethodType.ServerStreaming), null, Options(), request);
        await foreach (var reply in call.ResponseStream.ReadAllAsync(cancellationToken)) yield return reply;
    }

    public AsyncClientStreamingCall<IMessage, PutPackReply> PutPack() =>
        channel.CreateCallInvoker().AsyncClientStreamingCall(Describe<PutPackReply>("PutPack", MethodType.ClientStreaming), null, Options());

    /// <summary>Stores a pack's bytes under a name, in parts.</summary>
    public async Task PutPackAsync(byte[] content, string name, int part = 1 << 20)
    {
        using var call = PutPack();
        try
        {
            for (var at = 0; at < content.Length; at += part)
                await call.RequestStream.WriteAsync(new PackPart { Content = ByteString.CopyFrom(content.AsSpan(at, Math.Min(part, content.Length - at))) });
            await call.RequestStream.WriteAsync(new PackPart { Name = name });
            await call.RequestStream.CompleteAsync();
        }
        catch (Exception e) when (e is RpcException or InvalidOperationException)
        {
            // Refused before its end: the answer says why.
        }

        await call.ResponseAsync;
    }

    /// <summary>The status that a call ends with.</summary>
    public static async Task<RpcException> FailsAsync(StatusCode status, Func<Task> call)
    {
        var refusal = await Assert.ThrowsAsync<RpcException>(call);
        Assert.True(status == refusal.StatusCode, $"{refusal.Status} instead of {status}");
        return refusal;
    }

    public void Dispose() => channel.Dispose();

    private static Method<IMessage, TReply> Describe<TReply>(string method, MethodType type) where TReply : class, IMessage<TReply>, new() => new(
        type, Service, method, Marshallers.Create<IMessage>(message => message.ToByteArray(), _ => throw new NotSupportedException()),
        Marshallers.Create(reply => reply.ToByteArray(), new MessageParser<TReply>(() => new TReply()).ParseFrom));

    private CallOptions Options() => new(
        new Metadata { { "mn-runner", runner }, { "mn-epoch", epoch.ToString() }, { "mn-secret-bin", secret } }, DateTime.UtcNow.AddSeconds(60));
}

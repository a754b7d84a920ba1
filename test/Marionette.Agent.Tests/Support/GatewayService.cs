using Google.Protobuf;
using Grpc.Core;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Tests.Support;

/// <summary>
/// The server's side of <c>RunnerGateway.Connect</c>, bound by hand to the messages that the agent compiles: what the agent
/// writes by itself, byte for byte, is read here by the generated parser.
/// </summary>
[BindServiceMethod(typeof(GatewayServiceBase), nameof(Bind))]
internal abstract class GatewayServiceBase
{
    private static readonly Method<RunnerMessage, ServerMessage> ConnectMethod = new(
        MethodType.DuplexStreaming,
        RunnerReflection.Descriptor.Services[0].FullName,
        RunnerReflection.Descriptor.Services[0].Methods[0].Name,
        Marshallers.Create(message => message.ToByteArray(), RunnerMessage.Parser.ParseFrom),
        Marshallers.Create(message => message.ToByteArray(), ServerMessage.Parser.ParseFrom));

    public static void Bind(ServiceBinderBase binder, GatewayServiceBase? service) => binder.AddMethod(
        ConnectMethod,
        service is null ? null! : new DuplexStreamingServerMethod<RunnerMessage, ServerMessage>(service.Connect));

    public abstract Task Connect(
        IAsyncStreamReader<RunnerMessage> requests, IServerStreamWriter<ServerMessage> responses, ServerCallContext context);
}

internal sealed class GatewayService(ScriptedGateway gateway) : GatewayServiceBase
{
    public override Task Connect(
        IAsyncStreamReader<RunnerMessage> requests, IServerStreamWriter<ServerMessage> responses, ServerCallContext context) =>
        gateway.ServeAsync(requests, responses, context);
}

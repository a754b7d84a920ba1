namespace Marionette.Gateway.Grpc;

/// <summary>Puts the runners' service into the gateway.</summary>
internal static class RunnerGrpc
{
    /// <summary>An event is at most <see cref="RunnerLink.MaxEventBytes"/>; a message has an envelope around it.</summary>
    private const int MaxMessageBytes = RunnerLink.MaxEventBytes + (1 << 20);

    public static void AddRunnerGrpc(this IServiceCollection services) => services.AddGrpc(grpc =>
    {
        grpc.MaxReceiveMessageSize = MaxMessageBytes;
        grpc.MaxSendMessageSize = MaxMessageBytes;
        grpc.EnableDetailedErrors = false;
    });

    public static void MapRunnerGrpc(this WebApplication app) => app.MapGrpcService<RunnerService>();
}

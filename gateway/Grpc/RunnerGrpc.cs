using Marionette.Gateway.Grpc.Hosts;
using Marionette.Gateway.Workspaces;

namespace Marionette.Gateway.Grpc;

/// <summary>Puts the services of runners, of their workspaces and of hosts into the gateway.</summary>
internal static class RunnerGrpc
{
    /// <summary>An event is at most <see cref="RunnerLink.MaxEventBytes"/>; a message has an envelope around it.</summary>
    private const int MaxMessageBytes = RunnerLink.MaxEventBytes + (1 << 20);

    /// <summary>An inventory with as many runners as a host may have.</summary>
    private const int MaxHostMessageBytes = 8 << 20;

    /// <summary>A part of a pack, or the names of thousands of packs.</summary>
    private const int MaxWorkspaceMessageBytes = 2 << 20;

    public static void AddRunnerGrpc(this IServiceCollection services) => services
        .AddGrpc(grpc =>
        {
            grpc.MaxReceiveMessageSize = MaxMessageBytes;
            grpc.MaxSendMessageSize = MaxMessageBytes;
            grpc.EnableDetailedErrors = false;
        })
        .AddServiceOptions<HostService>(host => host.MaxReceiveMessageSize = MaxHostMessageBytes)
        .AddServiceOptions<WorkspaceGrpc>(workspace => workspace.MaxReceiveMessageSize = MaxWorkspaceMessageBytes);

    public static void MapRunnerGrpc(this WebApplication app)
    {
        app.MapGrpcService<RunnerService>();
        app.MapGrpcService<HostService>();
        app.MapGrpcService<WorkspaceGrpc>();
    }
}

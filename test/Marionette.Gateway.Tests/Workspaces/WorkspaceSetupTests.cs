using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Marionette.Gateway.Tests.Support;
using Marionette.Protocol.V1;
using Marionette.Runners;
using Marionette.TestSupport;

namespace Marionette.Gateway.Tests.Workspaces;

/// <summary>What a runner is told of checkpoints when it calls.</summary>
public sealed class WorkspaceSetupTests(PostgresFixture postgres) : WorkspaceTest(postgres)
{
    private static readonly Method<RunnerMessage, ServerMessage> Connect = new(
        MethodType.DuplexStreaming, "marionette.runner.v1.RunnerGateway", "Connect",
        Marshallers.Create(message => message.ToByteArray(), RunnerMessage.Parser.ParseFrom), Marshallers.Create(message => message.ToByteArray(), ServerMessage.Parser.ParseFrom));

    [Fact]
    public async Task Welcome_SaysWhatToBeginWith()
    {
        Gateway.Cluster.Start = new WorkspaceStart("snap_0", "snap_1", 2);
        var workspace = (await WelcomeAsync(Gateway)).Setup.Workspace;
        Assert.Equal(("snap_0", "snap_1", 2L, 300), (workspace.RestoreWorkspace, workspace.RestoreHome, workspace.LastEpoch, workspace.IntervalSeconds));
    }

    [Fact]
    public async Task Welcome_OfASessionThatHasNeverRun_HasTheIntervalAlone()
    {
        var workspace = (await WelcomeAsync(Gateway)).Setup.Workspace;
        Assert.Equal(("", "", 0L, 300), (workspace.RestoreWorkspace, workspace.RestoreHome, workspace.LastEpoch, workspace.IntervalSeconds));
    }

    [Fact]
    public async Task Welcome_WithoutAStore_SaysNothing()
    {
        await using var gateway = await GatewayHost.StartWithoutDatabaseAsync();
        gateway.Cluster.Runners[Runner] = (3, Secret, Session);
        gateway.Cluster.Start = new WorkspaceStart("snap_0", "snap_1", 2);
        Assert.Null((await WelcomeAsync(gateway)).Setup.Workspace);
    }

    private static async Task<Welcome> WelcomeAsync(GatewayHost gateway)
    {
        using var channel = GrpcChannel.ForAddress(gateway.GrpcUrl);
        using var call = channel.CreateCallInvoker().AsyncDuplexStreamingCall(Connect, null, new CallOptions(cancellationToken: Cancel));
        await call.RequestStream.WriteAsync(
            new RunnerMessage { Hello = new Hello { Version = 1, MinVersion = 1, Runner = Runner, Epoch = 3, Token = "rtok_x", Secret = ByteString.CopyFrom(Secret) } }, Cancel);
        Assert.True(await call.ResponseStream.MoveNext(Cancel).WaitAsync(TimeSpan.FromSeconds(30), Cancel));
        return call.ResponseStream.Current.Welcome;
    }
}

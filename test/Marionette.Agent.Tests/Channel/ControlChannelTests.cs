using Grpc.Core;
using Marionette.Agent.Channel;
using Marionette.Agent.Tests.Support;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Tests.Channel;

public sealed class ControlChannelTests
{
    [Fact]
    public void ConnectMethod_IsTheOneOfTheProto()
    {
        var service = RunnerReflection.Descriptor.Services[0];
        Assert.Equal($"/{service.FullName}/{service.Methods[0].Name}", RunnerFrame.ConnectMethod.FullName);
    }

    [Fact]
    public async Task Hello_SaysWhoAndWhere()
    {
        await using var gateway = await ScriptedGateway.StartAsync(new Setup { Session = "sess_1" });
        await using var agent = new ChannelHarness(gateway.Url);
        agent.Emit("{}");
        agent.Start();
        await agent.AllAckedAsync();

        var hello = gateway.Hellos[0];
        Assert.Equal("acme/run_1", hello.Runner);
        Assert.Equal(3, hello.Epoch);
        Assert.Equal("rtok_x", hello.Token);
        Assert.Equal(ChannelHarness.Secret, hello.Secret.ToByteArray());
        Assert.Equal(1, hello.LastEvent);
        Assert.Equal(0, hello.LastCommand);
        Assert.Equal(Environment.ProcessId, hello.Agent.Pid);
        Assert.Equal("sess_1", agent.Welcomes[0].Setup.Session);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Events_ArriveOnceInOrder_WhenConnectionsBreakAtRandom(int seed)
    {
        // How many events a message holds is a matter of how busy the machine is: it goes on until enough connections broke.
        const int atLeast = 20_000, step = 2000, enough = 5, most = 25;
        await using var gateway = await ScriptedGateway.StartAsync(new Setup());
        var (breaks, commits) = (new Random(seed), new Random(seed));
        var cuts = 0;
        gateway.OnMessage = (connection, message) =>
        {
            // Before or after the batch was taken, with and without its acknowledgement.
            lock (breaks)
            {
                if (message.KindCase != RunnerMessage.KindOneofCase.Events || cuts >= most || breaks.Next(4) > 0)
                    return;
                cuts++;
            }

            connection.Abort();
        };
        await using var agent = new ChannelHarness(gateway.Url).Start();
        var total = 0;
        while (total < atLeast || cuts < enough)
        {
            total++;
            agent.Emit($$"""{"n":{{total}}}""", commit: commits.Next(8) == 0);
            if (total % step == 0)
                await gateway.UntilAsync(() => gateway.TotalEvents > total - 2 * step, $"event {total - 2 * step}");
        }

        agent.Spool.Commit();
        await agent.AllAckedAsync();
        Assert.Empty(gateway.Faults);
        Assert.Equal(Enumerable.Range(1, total), gateway.Events.Select(e => e.Data.GetProperty("n").GetInt32()));
    }

    [Fact]
    public async Task Fenced_EndsForGood()
    {
        await using var gateway = await ScriptedGateway.StartAsync(new Setup());
        gateway.Fence = true;
        await using var agent = new ChannelHarness(gateway.Url).Start();
        Assert.Equal(ChannelEnd.Fenced, await agent.Running.WaitAsync(TimeSpan.FromSeconds(20)));
    }

    [Fact]
    public async Task Fenced_InMidStream_EndsForGood()
    {
        await using var gateway = await ScriptedGateway.StartAsync(new Setup());
        await using var agent = new ChannelHarness(gateway.Url).Start();
        await gateway.UntilAsync(() => gateway.OpenConnections == 1, "the connection");
        gateway.Broadcast(new ServerMessage { Fenced = new Fenced { Epoch = 4 } });
        Assert.Equal(ChannelEnd.Fenced, await agent.Running.WaitAsync(TimeSpan.FromSeconds(20)));
    }

    [Fact]
    public async Task Unauthenticated_EndsForGood()
    {
        await using var gateway = await ScriptedGateway.StartAsync(new Setup());
        gateway.Refuse = StatusCode.Unauthenticated;
        await using var agent = new ChannelHarness(gateway.Url).Start();
        Assert.Equal(ChannelEnd.TokenRefused, await agent.Running.WaitAsync(TimeSpan.FromSeconds(20)));
        Assert.Single(gateway.Hellos);
    }

    [Theory]
    [InlineData(StatusCode.Unavailable)]
    [InlineData(StatusCode.FailedPrecondition)]
    [InlineData(StatusCode.Internal)]
    public async Task OtherRefusals_AreTriedAgain(StatusCode status)
    {
        await using var gateway = await ScriptedGateway.StartAsync(new Setup());
        gateway.Refuse = status;
        await using var agent = new ChannelHarness(gateway.Url).Start();
        await gateway.UntilAsync(() => gateway.Hellos.Count >= 3, "three tries");
        gateway.Refuse = null;
        agent.Emit("{}");
        await agent.AllAckedAsync();
    }

    [Fact]
    public async Task SilentServer_IsLeft_AfterThreeIntervals()
    {
        await using var gateway = await ScriptedGateway.StartAsync(new Setup());
        gateway.HeartbeatMs = 200;
        gateway.Mute = true;
        await using var agent = new ChannelHarness(gateway.Url).Start();
        await gateway.UntilAsync(() => gateway.Hellos.Count >= 2, "a second Hello");
        gateway.Mute = false;
        agent.Emit("{}");
        await agent.AllAckedAsync();
    }

    [Fact]
    public async Task HeartbeatReplies_KeepAnIdleConnection()
    {
        await using var gateway = await ScriptedGateway.StartAsync(new Setup());
        gateway.HeartbeatMs = 200;
        var beats = 0;
        gateway.OnMessage = (_, message) => beats += message.KindCase == RunnerMessage.KindOneofCase.Heartbeat ? 1 : 0;
        await using var agent = new ChannelHarness(gateway.Url).Start();
        await gateway.UntilAsync(() => beats >= 8, "eight heartbeats"); // twice the patience of either side
        Assert.Single(gateway.Hellos);
    }

    [Fact]
    public async Task HalfOpenConnection_IsReplaced_AndLosesNothing()
    {
        await using var gateway = await ScriptedGateway.StartAsync(new Setup());
        gateway.HeartbeatMs = 200;
        await using var proxy = new TcpProxy(gateway.Url);
        await using var agent = new ChannelHarness(proxy.Url).Start();
        agent.Emit("""{"n":1}""");
        await agent.AllAckedAsync();

        proxy.Freeze();
        agent.Emit("""{"n":2}""");
        await agent.AllAckedAsync();

        Assert.Equal([1, 2], gateway.Events.Select(e => e.Data.GetProperty("n").GetInt32()));
        Assert.True(proxy.Connections >= 2);
        Assert.Empty(gateway.Faults);
    }

    [Fact]
    public async Task Drain_ConnectsAgainAfterTheDelay()
    {
        await using var gateway = await ScriptedGateway.StartAsync(new Setup());
        await using var agent = new ChannelHarness(gateway.Url).Start();
        await gateway.UntilAsync(() => gateway.OpenConnections == 1, "the connection");
        gateway.Broadcast(new ServerMessage { Drain = new Drain { DelayMs = 50 } });
        await gateway.UntilAsync(() => gateway.Hellos.Count == 2 && gateway.OpenConnections == 1, "the second connection");
        agent.Emit("{}");
        await agent.AllAckedAsync();
    }

    [Fact]
    public async Task EndpointsFile_IsReadAgain_BeforeEachDial()
    {
        var file = Path.GetTempFileName();
        await using var first = await ScriptedGateway.StartAsync(new Setup());
        await File.WriteAllTextAsync(file, $$"""{"grpc_url":"{{first.Url}}"}""");
        await using var agent = new ChannelHarness("http://127.0.0.1:1", file).Start();
        await first.UntilAsync(() => first.OpenConnections == 1, "the first connection");

        await using var second = await ScriptedGateway.StartAsync(new Setup());
        await File.WriteAllTextAsync(file, $$"""{"grpc_url":"{{second.Url}}"}""");
        first.Cut();

        await second.UntilAsync(() => second.OpenConnections == 1, "the connection to the second");
        File.Delete(file);
    }

    [Fact]
    public async Task Commands_AreTakenOnce_ThoughTheyComeAgain()
    {
        await using var gateway = await ScriptedGateway.StartAsync(new Setup());
        await using var agent = new ChannelHarness(gateway.Url).Start();
        gateway.Send(Commands.Stop("one"));
        gateway.Send(Commands.Stop("two"));
        await agent.Inbox.Commands.WaitToReadAsync();
        await gateway.UntilAsync(() => gateway.OpenConnections == 1, "the connection");
        // A server that does not believe the agent's Hello sends all of them again.
        gateway.Broadcast(new ServerMessage { Command = new Command { Number = 3, Stop = new Stop { Reason = "one again" } } });
        gateway.Cut();
        gateway.Send(Commands.Stop("three"));
        var reasons = new List<string>();
        await foreach (var command in agent.Inbox.Commands.ReadAllAsync())
        {
            reasons.Add(command.Stop.Reason);
            if (command.Stop.Reason == "three")
                break;
        }

        Assert.Equal(["one", "two", "three"], reasons);
        Assert.All(gateway.Hellos.Skip(1), hello => Assert.True(hello.LastCommand >= 3));
    }

    [Fact]
    public async Task Window_BoundsWhatIsUnacknowledged()
    {
        await using var gateway = await ScriptedGateway.StartAsync(new Setup());
        gateway.MaxUnackedEvents = 10;
        gateway.AckLimit = 0;
        await using var agent = new ChannelHarness(gateway.Url).Start();
        for (var i = 0; i < 100; i++)
            agent.Emit("{}");
        await gateway.UntilAsync(() => gateway.TotalEvents == 10, "ten events");
        gateway.AckLimit = 7;
        gateway.Acknowledge(7);
        await gateway.UntilAsync(() => gateway.TotalEvents == 17, "seven more");
        gateway.AckLimit = null;
        gateway.Acknowledge(17);
        await agent.AllAckedAsync();
        Assert.Equal(100, gateway.TotalEvents);
    }

    [Fact]
    public async Task Window_BoundsBytes_AndLetsALargerEventPassAlone()
    {
        await using var gateway = await ScriptedGateway.StartAsync(new Setup());
        gateway.MaxUnackedBytes = 10_000;
        gateway.AckLimit = 0;
        await using var agent = new ChannelHarness(gateway.Url).Start();
        var text = $$"""{"text":"{{new string('x', 3000)}}"}""";
        agent.Emit(text);
        await gateway.UntilAsync(() => gateway.TotalEvents == 1, "the first event");
        for (var i = 0; i < 9; i++)
            agent.Emit(text);
        agent.Emit($$"""{"text":"{{new string('y', 50_000)}}"}""");
        var most = 0L;
        var acked = 0L;
        while (acked < 11)
        {
            await gateway.UntilAsync(() => gateway.TotalEvents > acked, "another event");
            most = Math.Max(most, gateway.Events.Where(e => e.Number > acked).Sum(e => e.Data.GetRawText().Length));
            acked = gateway.TotalEvents;
            gateway.AckLimit = acked;
            gateway.Acknowledge(acked);
        }

        Assert.InRange(most, 3000, 50_100);
        Assert.Equal(11, gateway.TotalEvents);
        Assert.All(
            gateway.Events.Take(10).Chunk(3), chunk => Assert.True(chunk.Sum(e => e.Data.GetRawText().Length) <= 10_000));
    }

    [Fact]
    public async Task AnEventOfTwentyMegabytes_Arrives()
    {
        await using var gateway = await ScriptedGateway.StartAsync(new Setup());
        await using var agent = new ChannelHarness(gateway.Url).Start();
        agent.Emit($$"""{"text":"{{new string('x', 20 << 20)}}"}""");
        agent.Emit("""{"text":"after"}""");
        await agent.AllAckedAsync();
        Assert.True(gateway.Events[0].Data.TryGetProperty("text", out _), gateway.Events[0] + agent.Log.Text);
        Assert.Equal(20 << 20, gateway.Events[0].Data.GetProperty("text").GetString()!.Length);
        Assert.Equal("after", gateway.Events[1].Data.GetProperty("text").GetString());
    }
}

using System.Collections.Immutable;
using Google.Protobuf;
using Grpc.Core;
using Marionette.Gateway.Tests.Support;
using Marionette.Pools;
using Marionette.Protocol.Hosts.V1;
using Marionette.Runners;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Marionette.Gateway.Tests.Grpc;

/// <summary>A host's stream over a real socket.</summary>
public sealed class HostLinkTests : IAsyncLifetime
{
    private const string Runner = "acme/run_0VblLnwqr5JQkdmN", OtherRunner = "acme/run_0VblLnwqr5JQkdmM", Workspace = "ws_0VblLnwqr5JQkdmN";

    private readonly string id = EntityId.New(EntityId.Host, DateTimeOffset.UnixEpoch.AddYears(56));

    private GatewayHost gateway = null!;

    private FakePools Pools => gateway.Cluster.Pools;

    public async ValueTask InitializeAsync() => gateway = await GatewayHost.StartWithoutDatabaseAsync();

    public ValueTask DisposeAsync() => gateway.DisposeAsync();

    [Fact]
    public async Task Hello_IsWelcomed_AndTheGrainHasTheInventory()
    {
        var hello = HostStream.Hello(id);
        hello.Inventory.Facts.Labels["zone"] = "a";
        hello.Inventory.Runners.Add(Report(Runner, RunnerState.Running));
        using var stream = await OpenAsync(hello);
        var proof = Assert.Single(Pools.Hellos);
        Assert.Equal(("mj_x", 32, "rack-7", "a"), (proof.Token, proof.Secret.Length, proof.Facts.Name, proof.Facts.Labels["zone"]));
        var attached = Assert.Single(Pools.Attached);
        Assert.Equal((Runner, 3L, "running", Workspace), Assert.Single(attached.Inventory.Runners) is var seen ? (seen.RunnerKey, seen.Epoch, seen.State, seen.WorkspaceId) : default);
    }

    [Theory]
    [InlineData("version", StatusCode.FailedPrecondition)]
    [InlineData("pool", StatusCode.NotFound)]
    [InlineData("host", StatusCode.Unauthenticated)]
    [InlineData("secret short", StatusCode.Unauthenticated)]
    [InlineData("secret long", StatusCode.Unauthenticated)]
    [InlineData("token", StatusCode.Unauthenticated)]
    [InlineData("no facts", StatusCode.InvalidArgument)]
    [InlineData("labels", StatusCode.InvalidArgument)]
    [InlineData("runners", StatusCode.InvalidArgument)]
    [InlineData("runner", StatusCode.InvalidArgument)]
    [InlineData("cpus", StatusCode.InvalidArgument)]
    [InlineData("label", StatusCode.InvalidArgument)]
    public async Task Hello_NotOne_IsRefusedBeforeAnyGrain(string wrong, StatusCode status)
    {
        var hello = HostStream.Hello(id);
        switch (wrong)
        {
            case "version": (hello.Version, hello.MinVersion) = (3, 2); break;
            case "pool": hello.Pool = "docker"; break;
            case "host": hello.Host = "host_1"; break;
            case "secret short": hello.Secret = ByteString.CopyFrom(new byte[15]); break;
            case "secret long": hello.Secret = ByteString.CopyFrom(new byte[65]); break;
            case "token": hello.Token = new string('t', 201); break;
            case "no facts": hello.Inventory.Facts = null; break;
            case "labels": for (var i = 0; i < 65; i++) hello.Inventory.Facts.Labels[$"k{i}"] = "v"; break;
            case "runners": hello.Inventory.Runners.AddRange(Enumerable.Repeat(Report(Runner, RunnerState.Running), 4097)); break;
            case "runner": hello.Inventory.Runners.Add(Report("acme/../x", RunnerState.Running)); break;
            case "cpus": hello.Inventory.Facts.Cpus = double.NaN; break;
            case "label": hello.Inventory.Facts.Labels["a\0b"] = "v"; break;
        }

        using var stream = await HostStream.OpenAsync(gateway, hello);
        Assert.Equal(status, await stream.EndAsync());
        Assert.Empty(Pools.Hellos);
    }

    [Theory]
    [InlineData(FaultCode.TokenRefused, StatusCode.Unauthenticated)]
    [InlineData(FaultCode.NotFound, StatusCode.NotFound)]
    [InlineData(FaultCode.Unavailable, StatusCode.Unavailable)]
    [InlineData(FaultCode.Internal, StatusCode.Unavailable)]
    public async Task Hello_RefusedByTheGrain_SaysWhetherToTryAgain(FaultCode fault, StatusCode status)
    {
        Pools.Fault = method => method == nameof(IHostGrain.HelloAsync) ? new MarionetteException(fault, "No.") : null;
        using var stream = await HostStream.OpenAsync(gateway, HostStream.Hello(id));
        Assert.Equal(status, await stream.EndAsync());
        Assert.Empty(Pools.Attached);
    }

    [Fact]
    public async Task FirstMessage_NotHello_IsRefused()
    {
        using var stream = await HostStream.OpenWithAsync(gateway, new HostMessage { Heartbeat = new HostHeartbeat() });
        Assert.Equal(StatusCode.InvalidArgument, await stream.EndAsync());
    }

    [Fact]
    public async Task Orders_GoOut_EachAsItIs()
    {
        using var stream = await OpenAsync();
        var shape = new RunnerShape
        {
            Profile = "big", Cpus = 2.5, MemoryMib = 512, DiskMib = 0, Pids = 64, Sandbox = "bwrap", Env = ImmutableDictionary<string, string>.Empty.Add("A", "1"),
        };
        var network = new NetworkRules("allow_list", ["a.example:443"]);
        await Connection.OnOrderAsync(new EnsureRunnerOrder("o1", Runner, 3, "rt_secret", Workspace, shape, network));
        await Connection.OnOrderAsync(new NetworkOrder("o2", Runner, 3, NetworkRules.Open));
        var ensure = (await stream.NextAsync())!.Order;
        Assert.Equal(("o1", Runner, 3L, "rt_secret", Workspace), (ensure.Id, ensure.Ensure.Runner, ensure.Ensure.Epoch, ensure.Ensure.Token, ensure.Ensure.Workspace));
        Assert.Equal(("big", 2.5, 512L, 0L, 64, "bwrap", "1"), ensure.Ensure.Profile is var p ? (p.Name, p.Cpus, p.MemoryMib, p.DiskMib, p.Pids, p.Sandbox, p.Env["A"]) : default);
        Assert.Equal(("allow_list", "a.example:443"), (ensure.Ensure.Egress.Mode, Assert.Single(ensure.Ensure.Egress.Allowed)));
        Assert.Equal("open", (await stream.NextAsync())!.Order.Egress.Rules.Mode);
        foreach (var (kind, what) in new[]
        {
            (RunnerOrderKind.Stop, Order.WhatOneofCase.Stop), (RunnerOrderKind.Release, Order.WhatOneofCase.Release), (RunnerOrderKind.Pause, Order.WhatOneofCase.Pause),
            (RunnerOrderKind.Unpause, Order.WhatOneofCase.Unpause), (RunnerOrderKind.Observe, Order.WhatOneofCase.Observe),
        })
        {
            await Connection.OnOrderAsync(new RunnerOrder($"o-{kind}", Runner, 4, kind));
            Assert.Equal(what, (await stream.NextAsync())!.Order.WhatCase);
        }
    }

    [Fact]
    public async Task Sayings_ComeToTheGrain_InOrder_WhateverItsSilosDo()
    {
        var failures = 3;
        Pools.Fault = method => method == nameof(IHostGrain.HeardAsync) && Interlocked.Decrement(ref failures) >= 0 ? new SiloUnavailableException() : null;
        using var stream = await OpenAsync();
        await stream.SayAsync(new HostMessage { Heartbeat = new HostHeartbeat { SentMs = 7, CpuLoad = 3, MemoryUsedMib = 5, DiskFreeMib = 6 } });
        await stream.SayAsync(new HostMessage { Progress = new OrderProgress { Id = "o1", Phase = "create", TookMs = 12, Detail = "two\nlines" } });
        await stream.SayAsync(new HostMessage
        {
            Result = new OrderResult
            {
                Id = "o1", Runner = Report(Runner, RunnerState.Exited),
                Fault = new OrderFault { Kind = FaultKind.Throttled, Message = new string('m', 2000), RetryAfterMs = uint.MaxValue },
            },
        });
        await stream.SayAsync(new HostMessage { Result = new OrderResult { Id = "o2" } });
        await stream.SayAsync(new HostMessage { Ended = Report(Runner, RunnerState.Missing) });
        await stream.SayAsync(new HostMessage { Blocked = new EgressBlocked { Runner = Runner, Epoch = 3, Target = "b.example", Port = 443, Protocol = "tcp", Reason = "not_listed" } });
        await stream.SayAsync(new HostMessage { Throttled = new RunnerThrottled { Runner = Runner, Epoch = 3, Cpus = 0.2, Reason = "births_refused", Count = 2 } });
        await stream.SayAsync(new HostMessage { Inventory = HostStream.Hello(id).Inventory });
        await stream.SayAsync(new HostMessage { Goodbye = new HostGoodbye() });
        Assert.Equal(7, (await stream.NextAsync())!.Heartbeat.SentMs);
        Assert.Equal(StatusCode.OK, await stream.EndAsync());

        var heard = Pools.Heard.ToArray();
        Assert.Equal(8, heard.Length);
        Assert.Equal(new HostLoad(1, 5, 6), Assert.IsType<HostAlive>(heard[0]).Load);
        Assert.Equal(("o1", new RunnerStep("create", 12, "two lines")), Assert.IsType<HostOrderProgress>(heard[1]) is var step ? (step.OrderId, step.Step) : default);
        var result = Assert.IsType<HostOrderResult>(heard[2]);
        Assert.Equal(("throttled", 1000, int.MaxValue, "exited", 137), (result.Fault, result.Message!.Length, result.RetryAfterMs, result.Runner!.State, result.Runner.ExitCode));
        Assert.Equal(("o2", null, null, 0, null), Assert.IsType<HostOrderResult>(heard[3]) is var done ? (done.OrderId, done.Fault, done.Message, done.RetryAfterMs, done.Runner) : default);
        Assert.Equal("missing", Assert.IsType<HostRunnerEnded>(heard[4]).Runner.State);
        Assert.Equal(new BlockedTarget("b.example", 443, "tcp", "not_listed", 1), Assert.IsType<HostRunnerBlocked>(heard[5]).Target);
        Assert.Equal(new RunnerThrottle(false, 0.2, "births_refused", 2), Assert.IsType<HostRunnerThrottled>(heard[6]).Throttle);
        Assert.IsType<HostInventoryTaken>(heard[7]);
        Assert.True(Assert.Single(Pools.Detached).Goodbye);
    }

    [Fact]
    public async Task GrainOnAnotherSilo_IsGivenTheStreamAnew_WithTheHostAsItIsNow()
    {
        var hello = HostStream.Hello(id);
        hello.Inventory.Runners.Add(Report(Runner, RunnerState.Running));
        using var stream = await OpenAsync(hello);
        await stream.SayAsync(new HostMessage { Ended = Report(Runner, RunnerState.Missing) });
        await stream.SayAsync(new HostMessage { Result = new OrderResult { Id = "o", Runner = Report(OtherRunner, RunnerState.Running) } });
        await EventuallyAsync(() => Pools.Heard.Count == 2, "the sayings to be heard");
        Pools.Knows = false;
        await EventuallyAsync(() => Pools.Attached.Count == 2, "the stream to be attached again");
        var again = Pools.Attached.Last();
        Assert.Equal(Pools.Attached.First().Connection, again.Connection);
        Assert.Equal(OtherRunner, Assert.Single(again.Inventory.Runners).RunnerKey);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Closed_EndsTheStream_AndDismissesAHostThatWasRemoved(bool dismissed)
    {
        using var stream = await OpenAsync();
        await Connection.OnClosedAsync("It was removed.", dismissed);
        var last = await stream.NextAsync();
        if (dismissed)
        {
            Assert.Equal("It was removed.", last!.Dismissed.Reason);
            last = await stream.NextAsync();
        }

        Assert.Null(last);
        await EventuallyAsync(() => !Pools.Detached.IsEmpty, "the stream to be detached");
        Assert.False(Pools.Detached.Single().Goodbye);
    }

    [Fact]
    public async Task BadSaying_EndsTheStream()
    {
        using var stream = await OpenAsync();
        await stream.SayAsync(new HostMessage { Ended = Report("nobody's", RunnerState.Missing) });
        Assert.Equal(StatusCode.InvalidArgument, await stream.EndAsync());
        Assert.Empty(Pools.Heard);
        Assert.False(Assert.Single(Pools.Detached).Goodbye);
    }

    [Fact]
    public async Task HostThatHangsUp_IsDetached()
    {
        using (await OpenAsync())
        {
        }

        await EventuallyAsync(() => !Pools.Detached.IsEmpty, "the stream to be detached");
        Assert.Equal(Pools.Attached.Single().Connection, Pools.Detached.Single().Connection);
    }

    [Fact]
    public async Task GatewayThatStops_SendsTheHostElsewhere()
    {
        using var stream = await OpenAsync();
        gateway.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();
        Assert.Equal(200u, (await stream.NextAsync())!.Drain.DelayMs);
    }

    private IHostConnection Connection => Pools.Attached.Last().Stream;

    private async Task<HostStream> OpenAsync(HostHello? hello = null)
    {
        var stream = await HostStream.OpenAsync(gateway, hello ?? HostStream.Hello(id));
        var welcome = (await stream.NextAsync())!.Welcome;
        Assert.Equal((1u, 5000u), (welcome.Version, welcome.HeartbeatMs));
        return stream;
    }

    private static RunnerReport Report(string runner, RunnerState state)
    {
        var report = new RunnerReport { Runner = runner, Epoch = 3, State = state, Cpus = 1, MemoryMib = 64, Sandbox = "bwrap", Workspace = Workspace };
        if (state == RunnerState.Exited) (report.ExitCode, report.Cause) = (137, "out_of_memory");
        return report;
    }

    private static async Task EventuallyAsync(Func<bool> condition, string what)
    {
        // The pause between two looks; the condition decides.
        for (var since = TimeProvider.System.GetTimestamp(); !condition(); await Task.Delay(20))
            Assert.True(TimeProvider.System.GetElapsedTime(since) < TimeSpan.FromSeconds(30), $"waited in vain for {what}");
    }
}

using Marionette.Agent.Egress;
using Microsoft.Extensions.Time.Testing;

namespace Marionette.Agent.Tests.Egress.Pure;

public sealed class BlockedLogTests
{
    private static readonly BlockedTarget Target = new("api.evil.test", 443, "tcp", BlockedReason.NotListed);

    private readonly FakeTimeProvider clock = new();
    private readonly List<(BlockedTarget Target, int Count)> told = [];
    private readonly BlockedLog log;
    private bool room = true;

    public BlockedLogTests() => log = new BlockedLog(
        (target, count) =>
        {
            if (room)
                told.Add((target, count));
            return room;
        },
        clock);

    [Fact]
    public void First_IsToldAtOnce_OthersTogetherAfterTheInterval()
    {
        for (var i = 0; i < 10; i++)
            log.Report(Target);
        Assert.Equal([(Target, 1)], told);
        log.Flush();
        Assert.Single(told);
        clock.Advance(BlockedLog.Interval);
        log.Flush();
        Assert.Equal([(Target, 1), (Target, 9)], told);
    }

    [Fact]
    public void QuietTarget_IsForgotten_AndToldAtOnceAgain()
    {
        log.Report(Target);
        clock.Advance(BlockedLog.Interval);
        log.Flush();
        log.Report(Target);
        Assert.Equal([(Target, 1), (Target, 1)], told);
    }

    [Fact]
    public void ManyTargets_AreToldInOne()
    {
        for (var port = 1; port <= BlockedLog.MaxTargets + 50; port++)
            log.Report(Target with { Port = port });
        Assert.Equal(BlockedLog.MaxTargets + 1, told.Count);
        clock.Advance(BlockedLog.Interval);
        log.Flush();
        Assert.Equal(BlockedReason.Others, told[^1].Target.Reason);
        Assert.Equal(BlockedLog.MaxTargets + 50, told.Sum(notice => notice.Count));
    }

    [Fact]
    public void NoticeWithoutRoom_IsToldLater()
    {
        room = false;
        log.Report(Target);
        log.Report(Target);
        room = true;
        log.Flush();
        Assert.Equal([(Target, 2)], told);
    }
}

using Marionette.Pools;
using Marionette.Sessions;

namespace Marionette.Machines.Tests.Pools;

/// <summary>Which files on hosts are of no use any more. What no checkpoint has, and what a session may still need, stays.</summary>
public sealed class OldFilesTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(SessionStatus.Terminated, 0, true)]
    [InlineData(SessionStatus.Failed, 0, true)]
    [InlineData(SessionStatus.Terminated, 1, false)]
    [InlineData(SessionStatus.Suspended, 0, false)]
    [InlineData(SessionStatus.Active, 0, false)]
    [InlineData(SessionStatus.Pending, 0, false)]
    public void OnlyFilesOfASessionThatHasEnded_LongEnoughAgo_MayGo(SessionStatus status, int keepSeconds, bool may) =>
        Assert.Equal(may, OldFiles.MayGo(Session(status), Now, TimeSpan.FromSeconds(keepSeconds)));

    [Fact]
    public void FilesWithoutACheckpoint_Stay()
    {
        var session = Session(SessionStatus.Terminated);
        Assert.False(MayGo(session with { View = session.View with { RecoveryPoint = null } }));
        // Nothing ran: a person may have worked in them.
        Assert.False(MayGo(session with { RunSeq = 0, View = session.View with { RecoveryPoint = null } }));
    }

    [Theory]
    // reason, quiet, complete, epoch of the checkpoint, its seq; the last run ended at 5, the last runner has epoch 2
    [InlineData("run", true, true, 2, 6, true)]
    [InlineData("run", true, true, 2, 4, false)]
    [InlineData("run", false, true, 2, 6, false)]
    [InlineData("run", true, false, 2, 6, false)]
    [InlineData("run", true, true, 1, 6, false)]
    [InlineData("stop", false, true, 2, 6, true)]
    [InlineData("stop", true, false, 2, 6, false)]
    [InlineData("stop", false, true, 1, 6, false)]
    [InlineData("pause", false, true, 2, 6, true)]
    [InlineData("pause", true, false, 2, 6, false)]
    [InlineData("origin", false, false, 0, 6, false)]
    public void FilesThatNoCheckpointHasWhole_Stay(string reason, bool quiet, bool complete, long epoch, long seq, bool may) =>
        Assert.Equal(may, MayGo(Session(SessionStatus.Terminated, new RecoveryPoint(Now, seq, "snap_1", "snap_2", reason, 1, 1)
        {
            Epoch = epoch, IsQuiet = quiet, IsComplete = complete,
        })));

    private static bool MayGo(SessionState session) => OldFiles.MayGo(session, Now.AddYears(1), TimeSpan.Zero);

    private static SessionState Session(SessionStatus status, RecoveryPoint? point = null) => SessionState.Empty with
    {
        WorkspaceEpoch = 2, RunSeq = 5,
        View = SessionState.Empty.View with
        {
            Status = status, Epoch = 2, LastSeq = 9, UpdatedAt = Now,
            RecoveryPoint = point ?? new RecoveryPoint(Now, 6, "snap_1", "snap_2", "stop", 1, 1) { Epoch = 2, IsComplete = true },
        },
    };
}

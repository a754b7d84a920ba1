using Marionette.Pools;
using Marionette.Sessions;
using Marionette.Workspaces;

namespace Marionette.Machines.Tests.Pools;

/// <summary>Which files on hosts are of no use any more. What no checkpoint has, and what a session may still need, stays.</summary>
public sealed class OldFilesTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Theory]
    // written, copy's use, whether it goes
    [InlineData(2, 1, true)]
    [InlineData(2, 2, false)]
    [InlineData(1, 1, false)]
    [InlineData(0, 1, false)]
    public void AnOldCopy_GoesOnceALaterRunnerHasOpenedTheFiles_AndNotBefore(long written, long copy, bool goes) =>
        Assert.Equal(goes, OldFiles.IsOutOfDate(Copy(copy), Facts(2, new WorkspaceUse(2, 1), written)));

    [Fact]
    public void ARunnerThatBeganWithNothing_LeavesTheOldFiles_UntilItsFirstCheckpoint()
    {
        var facts = Facts(2, new WorkspaceUse(2, 1), 2);
        var lost = facts with { Session = facts.Session! with { View = facts.Session.View with { RecoveryPoint = null } } };
        Assert.False(OldFiles.IsOutOfDate(Copy(1), lost));
        Assert.True(OldFiles.IsOutOfDate(Copy(1), facts));
    }

    [Theory]
    [InlineData(0, 4)]
    [InlineData(4, 6)]
    public void FilesOfAnEarlierSession_AreNoneOfThisOnes(long files, long last)
    {
        var facts = Facts(7, new WorkspaceUse(7, 4), 7);
        Assert.False(OldFiles.IsOutOfDate(new WorkspaceCopy("acme/ws_1", files, last, Now), facts with { Workspace = facts.Workspace with { SinceUse = 5 } }));
        Assert.True(OldFiles.IsOutOfDate(new WorkspaceCopy("acme/ws_1", files, last, Now), facts));
    }

    [Fact]
    public void WhatIsNotKnown_StaysWhereItIs()
    {
        var facts = Facts(2, new WorkspaceUse(2, 1), 2);
        Assert.False(OldFiles.IsOutOfDate(Copy(1), facts with { Session = null }));
        Assert.False(OldFiles.IsOver(facts with { Session = null }, Now.AddYears(1), TimeSpan.Zero));
        // No numbers were given when it was last used.
        Assert.False(OldFiles.IsOutOfDate(Copy(0), Facts(2, WorkspaceUse.None, 2)));
        // An installation without a store hears of no files.
        Assert.False(OldFiles.IsOutOfDate(Copy(1), Facts(2, new WorkspaceUse(2, 0), 0)));
    }

    [Fact]
    public void AnEndedSession_WhoseLastRunnerNeverOpenedTheFiles_LeavesThoseOfTheOneBefore()
    {
        var facts = Facts(3, new WorkspaceUse(3, 2), 2, SessionStatus.Terminated);
        Assert.True(OldFiles.IsOutOfDate(Copy(1), facts));
        Assert.False(OldFiles.IsOutOfDate(Copy(2), facts));
        Assert.True(OldFiles.IsOver(facts, Now, TimeSpan.Zero));
    }

    [Theory]
    [InlineData(SessionStatus.Terminated, 0, true)]
    [InlineData(SessionStatus.Failed, 0, true)]
    [InlineData(SessionStatus.Terminated, 1, false)]
    [InlineData(SessionStatus.Suspended, 0, false)]
    [InlineData(SessionStatus.Active, 0, false)]
    [InlineData(SessionStatus.Pending, 0, false)]
    public void OnlyASessionThatHasEnded_LongEnoughAgo_IsOver(SessionStatus status, int keepSeconds, bool isOver) =>
        Assert.Equal(isOver, OldFiles.IsOver(Facts(1, new WorkspaceUse(1, 0), 1, status), Now, TimeSpan.FromSeconds(keepSeconds)));

    [Fact]
    public void AnEndedSession_WhoseLastRunIsInNoCheckpoint_KeepsItsFiles_AndAllThatNameTheWorkspaceCount()
    {
        var stored = Facts(1, new WorkspaceUse(1, 0), 1, SessionStatus.Terminated).Session!;
        var behind = stored with { RunSeq = stored.View.RecoveryPoint!.Seq + 1 };
        Assert.True(OldFiles.AreOver([stored, stored], Now, TimeSpan.Zero));
        Assert.False(OldFiles.AreOver([stored, behind], Now.AddYears(1), TimeSpan.Zero));
        Assert.False(OldFiles.AreOver([stored, stored with { View = stored.View with { Status = SessionStatus.Pending } }], Now.AddYears(1), TimeSpan.Zero));
    }

    private static WorkspaceCopy Copy(long last) => new("acme/ws_1", 0, last, Now);

    private static WorkspaceFacts Facts(long epoch, WorkspaceUse use, long written, SessionStatus status = SessionStatus.Active) =>
        WorkspaceCopyTests.Facts(status, epoch, use, written);
}

using Marionette.Sessions;
using Marionette.Workspaces;

namespace Marionette.Pools;

/// <summary>
/// Which files of workspaces on hosts are of no use any more: no clock, no store, no host. Files go only when the log says that others took their place, or
/// that a checkpoint has them; where it says neither they stay.
/// </summary>
internal static class OldFiles
{
    /// <summary>
    /// The session has gone on elsewhere: a runner of a later use has opened the workspace's files there, and there is a checkpoint. Before that an old copy
    /// may be the newest that there is: the runner may never get as far, and where there is no checkpoint it begins with nothing. Files of an earlier session
    /// of the same workspace are none of this one's.
    /// </summary>
    public static bool IsOutOfDate(WorkspaceCopy copy, WorkspaceFacts facts)
    {
        var workspace = facts.Workspace;
        if (facts.Session is not { } session || (copy.Files > 0 ? copy.Files : copy.Last) < workspace.SinceUse) return false;
        var isOpened = session.WorkspaceEpoch == workspace.Epoch;
        // Its last runner never got as far, and none follows it.
        if (session.IsClosed) return SessionMachine.IsStored(session) && IsOther(copy, isOpened ? workspace.Use.Number : workspace.Use.Files);
        return isOpened && session.View.RecoveryPoint is not null && IsOther(copy, workspace.Use.Number);
    }

    /// <summary>Its last session has ended, some time ago, and what it left is stored.</summary>
    public static bool IsOver(WorkspaceFacts facts, DateTimeOffset now, TimeSpan keep) => facts.Session is { } session && IsOver(session, now, keep);

    /// <summary>Whether none of the sessions that name a workspace needs its files on a host.</summary>
    public static bool AreOver(IEnumerable<SessionState> naming, DateTimeOffset now, TimeSpan keep) => naming.All(session => IsOver(session, now, keep));

    private static bool IsOther(WorkspaceCopy copy, long newest) => newest > 0 && !copy.Has(newest);

    private static bool IsOver(SessionState session, DateTimeOffset now, TimeSpan keep) =>
        session.IsClosed && session.View.UpdatedAt + keep <= now && SessionMachine.IsStored(session);
}

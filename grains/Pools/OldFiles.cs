using Marionette.Sessions;

namespace Marionette.Pools;

/// <summary>Which files of workspaces on hosts are of no use any more. Where nothing says that they are stored they stay.</summary>
internal static class OldFiles
{
    /// <summary>Whether a session needs its files on a host no more: it has ended, some time ago, and what it left is stored.</summary>
    public static bool MayGo(SessionState session, DateTimeOffset now, TimeSpan keep) =>
        session.IsClosed && session.View.UpdatedAt + keep <= now && SessionMachine.IsStored(session);
}

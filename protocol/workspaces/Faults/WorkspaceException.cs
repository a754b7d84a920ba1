namespace Marionette.Workspaces;

/// <summary>What kind of thing went wrong. Numbers are stable.</summary>
public enum WorkspaceFault
{
    /// <summary>Not known to this version.</summary>
    Unknown = 0,

    /// <summary>Stored bytes are not what was written: they do not open, or say something impossible.</summary>
    Corrupt = 1,

    /// <summary>An object, a chunk, a snapshot or a path is not there.</summary>
    Missing = 2,

    /// <summary>The key at hand is not the one that this was sealed with.</summary>
    WrongKey = 3,

    /// <summary>A newer version wrote this.</summary>
    UnsupportedVersion = 4,

    /// <summary>More entries, bytes or depth than the caller allows.</summary>
    Limit = 5,

    /// <summary>Someone else is at work, or a lease has run out; trying again later is right.</summary>
    Busy = 6,

    /// <summary>The file system or the store refused.</summary>
    Io = 7,

    /// <summary>The caller asked for something impossible.</summary>
    Invalid = 8,
}

/// <summary>The one exception of this library. The message is plain and names what it is about.</summary>
public sealed class WorkspaceException(WorkspaceFault fault, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>What kind of thing went wrong.</summary>
    public WorkspaceFault Fault { get; } = fault;

    internal static WorkspaceException Corrupt(string what, Exception? inner = null) => new(WorkspaceFault.Corrupt, what, inner);

    internal static WorkspaceException Missing(string what) => new(WorkspaceFault.Missing, what);

    internal static WorkspaceException Io(string what, Exception? inner = null) => new(WorkspaceFault.Io, what, inner);
}

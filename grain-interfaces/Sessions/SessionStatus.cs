namespace Marionette.Sessions;

/// <summary>State of a session. Beside it stand a phase (what it is doing) and a reason (why).</summary>
public enum SessionStatus
{
    /// <summary>Unknown to this version.</summary>
    Unknown = 0,
    /// <summary>Created; no runner was needed yet, or the first one is on its way.</summary>
    Pending = 1,
    /// <summary>A runner is assigned and has been connected.</summary>
    Active = 2,
    /// <summary>No runner; rows and files only. Any task or resume brings it back.</summary>
    Suspended = 3,
    /// <summary>A new runner is on its way.</summary>
    Resuming = 4,
    /// <summary>Ended by its owner. Final.</summary>
    Terminated = 5,
    /// <summary>Ended by a fault that it cannot leave by itself. Final.</summary>
    Failed = 6,
}

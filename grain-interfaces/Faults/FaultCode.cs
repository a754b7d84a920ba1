namespace Marionette;

/// <summary>Why a command was refused or failed. One row each in <c>docs/reference/errors.md</c>; numbers are stored formats, never reused.</summary>
public enum FaultCode
{
    /// <summary>Not known to this version; treat as internal.</summary>
    Unknown = 0,
    /// <summary>The request is malformed or a field is out of range; <see cref="MarionetteException.Errors"/> says which.</summary>
    Invalid = 1,
    /// <summary>No such object for this tenant.</summary>
    NotFound = 2,
    /// <summary>The state does not allow it (suspend a terminated session, for example).</summary>
    Conflict = 3,
    /// <summary>The same idempotency key came with another body.</summary>
    IdempotencyMismatch = 4,
    /// <summary>The permission request has its one answer already; the detail names who gave it.</summary>
    AlreadyDecided = 5,
    /// <summary>The session has ended.</summary>
    SessionClosed = 6,
    /// <summary>Too many tasks wait in the session.</summary>
    QueueFull = 7,
    /// <summary>A newer epoch exists: the caller's runner was replaced.</summary>
    Fenced = 8,
    /// <summary>The runner token is unknown, used by another agent, or revoked.</summary>
    TokenRefused = 9,
    /// <summary>The store or another part cannot be reached now; nothing was done. Retry.</summary>
    Unavailable = 10,
    /// <summary>Whether it was done is not known: repeat it with the same idempotency key, or read before a repeat.</summary>
    OutcomeUnknown = 11,
    /// <summary>No credential.</summary>
    Unauthenticated = 12,
    /// <summary>The credential lacks the scope.</summary>
    Forbidden = 13,
    /// <summary>The backend that makes runners refused or failed.</summary>
    ProviderFailed = 14,
    /// <summary>The body is larger than this route takes.</summary>
    TooLarge = 15,
    /// <summary>A defect of ours.</summary>
    Internal = 16,
    /// <summary>Too many requests of this kind at once.</summary>
    Throttled = 17,
}

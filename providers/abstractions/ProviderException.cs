namespace Marionette.Providers;

/// <summary>What a failure of a backend means for the caller.</summary>
public enum ProviderFault
{
    /// <summary>The request is wrong and will be wrong again (unknown image, bad profile).</summary>
    Rejected = 1,
    /// <summary>No room now for this one; others may find some.</summary>
    Capacity = 2,
    /// <summary>Too many calls.</summary>
    Throttled = 3,
    /// <summary>The backend cannot be reached.</summary>
    Unavailable = 4,
    /// <summary>It may or may not have happened: observe before anything else.</summary>
    Ambiguous = 5,
}

/// <summary>The one exception of a provider. The message is for people and holds no secret.</summary>
public sealed class ProviderException : Exception
{
    /// <summary>A fault, its kind and a sentence that says what to do.</summary>
    public ProviderException(ProviderFault fault, string message, Exception? inner = null, TimeSpan? retryAfter = null)
        : base(message, inner) => (Fault, RetryAfter) = (fault, retryAfter);

    /// <summary>Kind.</summary>
    public ProviderFault Fault { get; }

    /// <summary>The backend's own hint; null when it gave none.</summary>
    public TimeSpan? RetryAfter { get; }

    /// <summary>It says something of the one runner only, not of the backend: others go on. Always so for <see cref="ProviderFault.Capacity"/>.</summary>
    public bool IsOfOneRunner { get => field || Fault == ProviderFault.Capacity; init; }
}

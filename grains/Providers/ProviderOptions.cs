namespace Marionette.Providers;

/// <summary>How much of a backend is used. Named by the provider: <c>Marionette:Providers:docker:MaxRunners</c>.</summary>
public sealed class ProviderOptions
{
    /// <summary>Runners that it may hold at once; further starts wait. 0 = no limit. Default 0.</summary>
    public int MaxRunners { get; set; }

    /// <summary>Runners that one tenant may hold at once. 0 = no limit. Default 0.</summary>
    public int MaxRunnersPerTenant { get; set; }

    /// <summary>Starts under way at once. Default 16.</summary>
    public int MaxStarting { get; set; } = 16;

    /// <summary>How long a start may wait for room or for a backend that is ill before it fails. Default 10 min.</summary>
    public TimeSpan StartPatience { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>Warm pools; a start of the same shape takes a slot of one.</summary>
    public List<WarmPoolOptions> Warm { get; } = [];
}

/// <summary>Runners kept ready for one shape.</summary>
public sealed class WarmPoolOptions
{
    /// <summary>Name, for people. Default "default".</summary>
    public string Profile { get; set; } = "default";

    /// <summary>As in a profile; null = the provider's own.</summary>
    public string? Image { get; set; }

    /// <summary>As in a profile.</summary>
    public double Cpus { get; set; } = 2;

    /// <summary>As in a profile.</summary>
    public int MemoryMib { get; set; } = 4096;

    /// <summary>As in a profile.</summary>
    public int DiskMib { get; set; } = 10_240;

    /// <summary>As in a profile.</summary>
    public int Pids { get; set; } = 2048;

    /// <summary>As in a profile.</summary>
    public string Sandbox { get; set; } = "auto";

    /// <summary>Slots kept ready. Default 0.</summary>
    public int Min { get; set; }

    /// <summary>Slots that there may ever be: after a rush of starts the pool grows up to it. Default <see cref="Min"/>.</summary>
    public int? Max { get; set; }

    /// <summary>How long an unclaimed slot lives. Default 1 h.</summary>
    public TimeSpan Lifetime { get; set; } = TimeSpan.FromHours(1);

    /// <summary>New slots a minute at most. Default 60.</summary>
    public int RefillPerMinute { get; set; } = 60;
}

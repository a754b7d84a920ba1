using Marionette.Providers;

namespace Marionette.Sessions;

/// <summary>What a person can do about a lost runner, by its cause: the list of docs/reference/events.md, which is closed.</summary>
internal static class LossAdvice
{
    /// <summary>It did not call in time, or could not be made.</summary>
    public const string ProvisionFailed = "provision_failed";

    /// <summary>It lives, perhaps, and no gateway hears of it.</summary>
    public const string LeaseExpired = "lease_expired";

    /// <summary>It was paused, and its provider does not let it go on.</summary>
    public const string UnpauseFailed = "unpause_failed";

    /// <summary>The next step, in a sentence.</summary>
    /// <param name="hasProfile">Its session has a profile, whose limits can be raised: the next runner has them.</param>
    public static string For(string cause, bool hasProfile) => cause switch
    {
        DeathCauses.OutOfMemory => $"Raise memory_mib of {Profile(hasProfile)}: its next runner has it.",
        DeathCauses.DiskFull => $"Raise disk_mib of {Profile(hasProfile)}, or have it write less: its next runner has it.",
        DeathCauses.Killed => "Once is chance. If it goes on, the machine's own log says what kills it.",
        DeathCauses.EngineRestarted => "Nothing: live-restore keeps containers over a restart of the engine.",
        DeathCauses.Removed => "Nothing. Whoever clears the backend up should leave what carries Marionette's marks alone.",
        DeathCauses.HostLost => "Look after the machine: 'marionette hosts list' shows since when it is away.",
        UnpauseFailed => "Nothing, where it comes once: its session went on from the checkpoint that was made before the pause. The provider's own log says more.",
        LeaseExpired => "See whether its machine reaches a gateway on the runners' port.",
        ProvisionFailed => "'marionette providers list' shows what is wrong with the provider.",
        _ => "The log of the runner's agent says why it ended.",
    };

    private static string Profile(bool has) => has ? "its profile" : "the provider's default profile, or give the session a profile by a fork";
}

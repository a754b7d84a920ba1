namespace Marionette.Providers.Docker;

/// <summary>
/// What things are called on the engine. A runner's container is <c>INSTALLATION.TENANT.run_….EPOCH</c>: the engine takes a name once, so two
/// who make the same runner make one. The name counts, not the labels: those of a claimed warm slot were written before it was anybody's.
/// </summary>
internal sealed class ResourceNames(string installation)
{
    /// <summary>Labels of everything of ours.</summary>
    public const string Installation = "marionette.installation", Role = "marionette.role";

    /// <summary>Labels of runners, and of volumes that belong to one alone.</summary>
    public const string Runner = "marionette.runner", Epoch = "marionette.epoch", Workspace = "marionette.workspace";

    /// <summary>Labels of warm slots.</summary>
    public const string Slot = "marionette.slot", Profile = "marionette.profile", Revision = "marionette.revision";

    /// <summary>On a workspace's volume: the files lie in the volumes of this name instead (it was a warm slot's first).</summary>
    public const string FilesAt = "marionette.files-at";

    /// <summary>Values of <see cref="Role"/>.</summary>
    public const string RunnerRole = "runner", WarmRole = "warm", NetworkRole = "netd", StateRole = "state", ClaimRole = "claim", FilesRole = "files",
        LookRole = "look",
        ProbeRole = "probe";

    /// <summary>The container of a runner.</summary>
    public string Container(RunnerHandle handle) => $"{installation}.{handle.RunnerKey.Replace('/', '.')}.{handle.Epoch}";

    /// <summary>The container of a warm slot that nobody has claimed.</summary>
    public string WarmContainer(string slot) => $"{installation}.warm.{slot}";

    /// <summary>Who claimed a slot: made once, and what stands on it decides.</summary>
    public string Claim(string slot) => $"{installation}.claim.{slot}";

    /// <summary>A volume that is made to see whether the engine takes it.</summary>
    public string Probe(Guid probe) => $"{installation}.probe.{probe:N}";

    /// <summary>The helper that gives runners their network.</summary>
    public string Network => $"{installation}.netd";

    /// <summary>A workspace's files, or the mark that tells where they are.</summary>
    public string WorkspaceVolume(string runnerKey, string workspace) => $"{installation}.{runnerKey[..runnerKey.IndexOf('/')]}.{workspace}";

    /// <summary>The agent's home that belongs to a workspace.</summary>
    public static string Home(string workspaceVolume) => workspaceVolume + ".home";

    /// <summary>Spool of the agent in a container of this first name.</summary>
    public static string State(string container) => container + ".state";

    /// <summary>Labels of a resource of ours, by its role.</summary>
    public Dictionary<string, string> Labels(string role) => new() { [Installation] = installation, [Role] = role };

    /// <summary>Labels of what belongs to one runner.</summary>
    public Dictionary<string, string> Labels(string role, RunnerSpec spec)
    {
        var labels = Labels(role);
        labels[Runner] = spec.RunnerKey;
        labels[Epoch] = spec.Epoch.ToString();
        labels[Workspace] = spec.WorkspaceId;
        return labels;
    }

    /// <summary>Labels of what belongs to a warm slot.</summary>
    public Dictionary<string, string> Labels(string role, WarmSpec spec)
    {
        var labels = Labels(role);
        labels[Slot] = spec.SlotId;
        labels[Profile] = spec.Profile.Name;
        labels[Revision] = spec.Profile.Revision;
        return labels;
    }

    /// <summary>A filter of the engine's lists for what is ours.</summary>
    public Dictionary<string, IDictionary<string, bool>> Ours(string? role = null)
    {
        var labels = new Dictionary<string, bool> { [$"{Installation}={installation}"] = true };
        if (role is not null) labels[$"{Role}={role}"] = true;
        return new() { ["label"] = labels };
    }

    /// <summary>The runner that a container's name says; null for another name. A leading slash, as the engine writes it, is no part of it.</summary>
    public RunnerHandle? RunnerOf(string name)
    {
        // Tenants have no dot and ids neither, so the parts cannot be mistaken.
        if (!name.TrimStart('/').StartsWith(installation + ".", StringComparison.Ordinal)) return null;
        var parts = name.TrimStart('/')[(installation.Length + 1)..].Split('.');
        return parts is [var tenant, var run, var epoch] && long.TryParse(epoch, out var number) ? new RunnerHandle($"{tenant}/{run}", number) : null;
    }

    /// <summary>The runner that a volume's labels say.</summary>
    public static RunnerHandle? RunnerOf(IDictionary<string, string>? labels) =>
        labels is not null && labels.TryGetValue(Runner, out var key) && labels.TryGetValue(Epoch, out var epoch) && long.TryParse(epoch, out var number)
            ? new RunnerHandle(key, number)
            : null;
}

using System.Security.Cryptography;
using System.Text;
using Marionette.Runners;

namespace Marionette.Providers;

/// <summary>Shapes and network rules as providers know them.</summary>
internal static class RunnerShapes
{
    public static RunnerProfile ToProfile(this RunnerShape shape) => Revised(new RunnerProfile
    {
        Name = shape.Profile, Image = shape.Image, Cpus = shape.Cpus, MemoryMib = shape.MemoryMib, DiskMib = shape.DiskMib, Pids = shape.Pids,
        Sandbox = shape.Sandbox, Env = shape.Env, HostLabels = shape.HostLabels,
    });

    public static RunnerProfile ToProfile(this WarmPoolOptions pool) => Revised(new RunnerProfile
    {
        Name = pool.Profile, Image = pool.Image, Cpus = pool.Cpus, MemoryMib = pool.MemoryMib, DiskMib = pool.DiskMib, Pids = pool.Pids, Sandbox = pool.Sandbox,
    });

    public static EgressPolicy ToPolicy(this NetworkRules rules) => new(
        rules.Mode switch { "allow_list" => EgressMode.AllowList, "deny" => EgressMode.Deny, _ => EgressMode.Open }, rules.Allowed.IsDefault ? [] : rules.Allowed);

    public static NetworkRules ToRules(this EgressPolicy policy) => new(
        policy.Mode switch { EgressMode.AllowList => "allow_list", EgressMode.Deny => "deny", _ => "open" }, policy.Allowed);

    public static bool Same(NetworkRules a, NetworkRules b) => a.ToPolicy().Equals(b.ToPolicy());

    /// <summary>Two profiles of one revision make the same runner, whatever their names: a warm slot of one serves the other.</summary>
    private static RunnerProfile Revised(RunnerProfile profile)
    {
        var text = new StringBuilder();
        text.Append($"{profile.Image}|{profile.Cpus:R}|{profile.MemoryMib}|{profile.DiskMib}|{profile.Pids}|{profile.Sandbox}");
        foreach (var (name, value) in profile.HostLabels.OrderBy(pair => pair.Key, StringComparer.Ordinal)) text.Append($"|@{name}={value}");
        foreach (var (name, value) in profile.Env.OrderBy(pair => pair.Key, StringComparer.Ordinal)) text.Append($"|{name}={value}");
        return profile with { Revision = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())))[..16] };
    }
}

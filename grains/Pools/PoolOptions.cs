using Microsoft.Extensions.Options;

namespace Marionette.Pools;

/// <summary>How a pool is run. Named by the pool: <c>Marionette:Pools:NAME</c>.</summary>
public sealed class PoolOptions
{
    /// <summary>Section of the configuration under which each pool has its own.</summary>
    public const string SectionName = "Marionette:Pools";

    /// <summary>A host serves one tenant at a time: it takes no runner of another one while it has runners. Default false.</summary>
    public bool OneTenantPerHost { get; set; }

    /// <summary>Cores promised for each core that there is, 0.1 to 100: agents mostly wait. Memory and disk are never promised twice. Default 2.</summary>
    public double CpuOvercommit { get; set; } = 2.0;

    /// <summary>How long a host may be away before its runners count as lost, 5 s to 1 day. Default 60 s.</summary>
    public TimeSpan HostLease { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How long the files of a session that has ended, and that are stored, stay on its host all the same, 0 to 365 days. Default 7 days.</summary>
    public TimeSpan KeepFiles { get; set; } = TimeSpan.FromDays(7);

    /// <summary>How often it is looked for files that are of no use any more, 1 s to 1 day. Default 5 min.</summary>
    public TimeSpan SweepEvery { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>What "auto" of a profile takes: "auto", any kind that works on the host; "runsc" or "bwrap", that one only. Default "auto".</summary>
    public string Sandbox { get; set; } = "auto";
}

/// <summary>Says what is wrong with a pool's options, and where.</summary>
internal sealed class PoolOptionsRules : IValidateOptions<PoolOptions>
{
    public ValidateOptionsResult Validate(string? name, PoolOptions options)
    {
        var wrong = new List<string>();
        if (options.CpuOvercommit is not (>= 0.1 and <= 100))
            wrong.Add($"{PoolOptions.SectionName}:{name}:CpuOvercommit is {options.CpuOvercommit}; it takes 0.1 to 100.");
        if (options.HostLease < TimeSpan.FromSeconds(5) || options.HostLease > TimeSpan.FromDays(1))
            wrong.Add($"{PoolOptions.SectionName}:{name}:HostLease is {options.HostLease}; it takes 00:00:05 to 1.00:00:00.");
        if (options.KeepFiles < TimeSpan.Zero || options.KeepFiles > TimeSpan.FromDays(365))
            wrong.Add($"{PoolOptions.SectionName}:{name}:KeepFiles is {options.KeepFiles}; it takes 00:00:00 to 365.00:00:00.");
        if (options.SweepEvery < TimeSpan.FromSeconds(1) || options.SweepEvery > TimeSpan.FromDays(1))
            wrong.Add($"{PoolOptions.SectionName}:{name}:SweepEvery is {options.SweepEvery}; it takes 00:00:01 to 1.00:00:00.");
        if (options.Sandbox is not ("auto" or "runsc" or "bwrap"))
            wrong.Add($"{PoolOptions.SectionName}:{name}:Sandbox is \"{options.Sandbox}\"; it takes auto, runsc or bwrap.");
        return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);
    }
}

using System.Globalization;
using Marionette.Gateway.Workspaces.Upkeep;

namespace Marionette.Gateway.Workspaces;

/// <summary>How often checkpoints are made, how long they stay, and how much a tenant may store. Of no meaning without a chunk store.</summary>
public sealed record KeepingOptions
{
    /// <summary>Section of the configuration; in the environment <c>Marionette__Checkpoints__NAME</c>.</summary>
    public const string SectionName = "Marionette:Checkpoints";

    private static readonly TimeSpan Year = TimeSpan.FromDays(366);

    /// <summary>How often a run under way gets a checkpoint; zero = only at its end. 10 s to 1 day; default 5 min.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Which checkpoints stay.</summary>
    public RetentionRules Retention { get; init; } = new();

    /// <summary>How often a tenant's snapshots are weighed against the rules. 1 min to 1 year; default 1 h.</summary>
    public TimeSpan UpkeepInterval { get; init; } = TimeSpan.FromHours(1);

    /// <summary>How often what no snapshot needs is collected, which reads all trees of a tenant; only when there is something. 1 min to 1 year; default 6 h.</summary>
    public TimeSpan CollectInterval { get; init; } = TimeSpan.FromHours(6);

    /// <summary>Most bytes of a tenant in the chunk store; a runner's upload beyond it is refused. Default 0 = no limit.</summary>
    public long TenantBytes { get; init; }

    /// <summary>Most bytes of an uploaded archive, as it comes and unpacked; gateways unpack it among their temporary files. 1 MiB and more; default 2 GiB.</summary>
    public long UploadBytes { get; init; } = 2L << 30;

    /// <summary>Most bytes of the mirror of one git repository, which later clones begin with; 0 = none is kept, and those that are there go. Default 1 GiB.</summary>
    public long MirrorBytes { get; init; } = 1L << 30;

    /// <summary>A mirror that no clone has asked for in so long goes. 1 h to 1 year; default 7 days.</summary>
    public TimeSpan KeepMirrors { get; init; } = TimeSpan.FromDays(7);

    /// <summary>What the configuration says; the defaults for the rest.</summary>
    /// <exception cref="FormatException">A value is not one; the message is one line and names it.</exception>
    public static KeepingOptions From(IConfiguration configuration)
    {
        var section = configuration.GetSection(SectionName);
        var (defaults, rules) = (new KeepingOptions(), new RetentionRules());
        return new KeepingOptions
        {
            Interval = Time(section, nameof(Interval), defaults.Interval, TimeSpan.FromSeconds(10), TimeSpan.FromDays(1), zero: true),
            UpkeepInterval = Time(section, nameof(UpkeepInterval), defaults.UpkeepInterval, TimeSpan.FromMinutes(1), Year),
            CollectInterval = Time(section, nameof(CollectInterval), defaults.CollectInterval, TimeSpan.FromMinutes(1), Year),
            TenantBytes = Number(section, nameof(TenantBytes), 0, 0, long.MaxValue),
            UploadBytes = Number(section, nameof(UploadBytes), defaults.UploadBytes, 1L << 20, long.MaxValue),
            MirrorBytes = Number(section, nameof(MirrorBytes), defaults.MirrorBytes, 0, long.MaxValue),
            KeepMirrors = Time(section, nameof(KeepMirrors), defaults.KeepMirrors, TimeSpan.FromHours(1), Year),
            Retention = new RetentionRules
            {
                Newest = (int)Number(section, "KeepNewest", rules.Newest, 1, 100_000),
                Days = (int)Number(section, "KeepDays", rules.Days, 0, 36_500),
                AfterEnd = Time(section, "KeepAfterEnd", rules.AfterEnd, TimeSpan.FromHours(1), 100 * Year, zero: true),
            },
        };
    }

    private static TimeSpan Time(IConfigurationSection section, string name, TimeSpan whenAbsent, TimeSpan least, TimeSpan most, bool zero = false)
    {
        if (section[name] is not { Length: > 0 } text) return whenAbsent;
        if (TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var time) && (time >= least && time <= most || zero && time == TimeSpan.Zero)) return time;
        throw new FormatException($"Marionette__Checkpoints__{name}: \"{text}\" must be a time from {least:c} to {most:c}{(zero ? ", or 0" : "")}");
    }

    private static long Number(IConfigurationSection section, string name, long whenAbsent, long least, long most)
    {
        if (section[name] is not { Length: > 0 } text) return whenAbsent;
        if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most) return number;
        throw new FormatException($"Marionette__Checkpoints__{name}: \"{text}\" must be a number from {least} to {most}");
    }
}

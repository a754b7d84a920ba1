using System.CommandLine;
using System.Text.Json;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette runners …</c></summary>
internal static class RunnersCommand
{
    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var verbs = new Verbs("/api/v1/runners", "runner", globals, context);
        var status = Arguments.Many("--status", "provisioning, started, online, offline, paused, released, lost");
        var command = new Command("runners", "Where agents work: processes, containers, sandboxes")
        {
            verbs.List(Many(context.Clock), [("status", status)]),
            verbs.Get(One(context.Clock), "Show one runner: its size, what it may reach, how its start went"),
        };
        command.Aliases.Add("runner");
        return command;
    }

    private static Column[] Many(TimeProvider clock) =>
    [
        Column.Of("ID", "id"), Column.Of("STATUS", "status"), Column.Of("PROVIDER", "provider"), Column.Of("SANDBOX", "sandbox_mode"), Column.Of("SESSION", "session_id"),
        Columns.Age("AGE", "created_at", clock), Column.Of("REASON", "reason"),
        new("PROFILE", item => item.Member("shape")?.Text("profile"), Wide: true), new("SIZE", Size, Wide: true), new("NETWORK", Network, Wide: true),
        Column.Of("HOST", "hostname", wide: true),
    ];

    private static Column[] One(TimeProvider clock) =>
    [
        Column.Of("ID", "id"), Column.Of("Name", "name"), new("Status", item => Columns.Join(item.Text("status"), item.Text("reason"))), Column.Of("Provider", "provider"),
        Column.Of("Sandbox", "sandbox_mode"), Column.Of("Host", "hostname"), Column.Of("Session", "session_id"), Column.Of("Epoch", "epoch"),
        new("Profile", item => item.Member("shape")?.Text("profile")), new("Image", item => item.Member("shape")?.Text("image")), new("Size", Size), new("Network", Network),
        new("Start", Start), Column.Of("Agent", "agent_version"), new("Labels", Columns.Labels), Columns.Age("Created", "created_at", clock, " ago"),
        Columns.Age("Last seen", "last_seen_at", clock, " ago"),
    ];

    private static string? Size(JsonElement item) => item.Member("shape") is { } shape ? SizeOf(shape) : null;

    /// <summary>What a runner may use: the same members in a profile and in a runner's shape.</summary>
    public static string SizeOf(JsonElement shape) => string.Join(", ", new[]
    {
        $"{shape.Text("cpus")} CPU", Mib(shape, "memory_mib", "memory"), Mib(shape, "disk_mib", "disk"), $"{shape.Text("pids")} processes",
    }.OfType<string>());

    private static string? Network(JsonElement item) => item.Member("network") is { } network ? Columns.Join(network.Text("policy"), Columns.Words(network, "allowed_hosts")) : null;

    // The phases take their time one after another, but an object has no order: the longest first is what people look for.
    private static string? Start(JsonElement item) => item.Member("start_phases_ms") is { ValueKind: JsonValueKind.Object } phases
        ? string.Join(", ", phases.EnumerateObject().OrderByDescending(phase => phase.Value.GetInt64())
            .Select(phase => $"{phase.Name} {Format.Duration(TimeSpan.FromMilliseconds(phase.Value.GetInt64()))}"))
        : null;

    private static string? Mib(JsonElement shape, string member, string what) => shape.Number(member) switch
    {
        null => null,
        0 => $"no limit of {what}",
        { } mib => $"{Mib(mib)} {what}",
    };

    /// <summary>Whole GiB as such.</summary>
    public static string Mib(long mib) => mib >= 1024 && mib % 1024 == 0 ? $"{mib / 1024} GiB" : $"{mib} MiB";
}

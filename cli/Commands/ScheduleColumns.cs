using System.Globalization;
using System.Text.Json;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary>What people are shown of scheduled tasks and agent configurations.</summary>
internal static class ScheduleColumns
{
    public static Column[] Occurrences { get; } =
    [
        Time("SCHEDULED", "scheduled_at"), Column.Of("STATUS", "status"), Column.Of("BY", "trigger"), Column.Of("RUN", "run_number"), Column.Of("TASK", "task_id"),
        new("WHY", item => Format.Fit(string.Join(" ", new[] { item.Number("count") > 1 ? $"{item.Number("count")} until {item.Text("until")}." : null, item.Text("reason") }.OfType<string>()), 60)),
    ];

    public static Column[] Many(TimeProvider clock) =>
    [
        Column.Of("ID", "id"), Column.Of("NAME", "name"), Column.Of("STATUS", "status"), Column.Of("CRON", "cron_expression"), Column.Of("ZONE", "timezone"),
        new("NEXT", item => Ahead(item, clock)), Column.Of("RUNS", "run_count"), Column.Of("FAILED", "failure_count"), Column.Of("LAST", "last_status"),
    ];

    public static Column[] One(TimeProvider clock) =>
    [
        Column.Of("ID", "id"), Column.Of("Name", "name"), Column.Of("Description", "description"),
        new("Status", item => Join(item.Text("status"), item.Text("reason"))), new("When", item => Join(item.Text("cron_expression"), item.Text("timezone"))),
        Time("Next", "next_run_at"), new("In", item => Ahead(item, clock)), Time("Not before", "start_at"), Time("Not after", "end_at"),
        Column.Of("Prompt", "prompt_template"), Column.Of("Session", "session_id"),
        new("Sessions of its own", item => item.Member("session") is { } session
            ? Join(session.Text("agent"), session.Text("model"), session.Text("agent_config_id"), $"then {item.Text("after_run")}")
            : null),
        new("Overlap", item => item.Text("overlap_policy")), new("Catch up", item => Join(item.Text("catch_up"), $"{item.Number("catch_up_window_seconds")} s")),
        new("On failure", item => Join(item.Text("on_failure"), $"after {item.Number("max_consecutive_failures")}")),
        new("Runs", item => $"{item.Number("run_count")} · {item.Number("failure_count")} failed · {item.Number("skipped_count")} skipped"),
        Column.Of("Failures in a row", "consecutive_failures"), new("Last", item => Join(item.Text("last_task_id"), item.Text("last_status"))), new("Labels", Labels),
    ];

    public static Column[] Configs(TimeProvider clock) =>
    [
        Column.Of("ID", "id"), Column.Of("NAME", "name"), Column.Of("AGENT", "agent"), Column.Of("MODEL", "model"), Column.Of("BASE URL", "base_url"),
        new("KEY", item => item.Flag("has_api_key") ? "yes" : "no"), new("DEFAULT", item => item.Flag("is_default") ? "yes" : null),
        new("AGE", item => item.Time("created_at") is { } time ? Format.Age(time, clock.GetUtcNow()) : null),
    ];

    public static Column[] Config { get; } =
    [
        Column.Of("ID", "id"), Column.Of("Name", "name"), Column.Of("Agent", "agent"), Column.Of("Model", "model"), Column.Of("Base URL", "base_url"),
        new("Key", item => item.Flag("has_api_key") ? $"stored{(item.Text("key_changed_at") is { } at ? $", set {at}" : "")}" : "none"),
        new("Environment", item => string.Join(" ", item.Items("env_names").Select(name => name.ToString()))),
        new("Extra", item => item.Member("extra") is { ValueKind: JsonValueKind.Object } extra && extra.EnumerateObject().Any() ? JsonText.Compact(extra) : null),
        new("Default", item => item.Flag("is_default") ? $"for {item.Text("agent")}" : null), new("Labels", Labels),
    ];

    private static string? Ahead(JsonElement item, TimeProvider clock)
    {
        if (item.Time("next_run_at") is not { } next)
            return null;
        var span = next - clock.GetUtcNow();
        return span <= TimeSpan.Zero ? "now" : Format.Elapsed(span);
    }

    private static Column Time(string head, string member) =>
        new(head, item => item.Time(member)?.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture));

    private static string? Labels(JsonElement item) => item.Member("labels") is { ValueKind: JsonValueKind.Object } labels
        ? string.Join(", ", labels.EnumerateObject().Select(label => $"{label.Name}={label.Value}"))
        : null;

    private static string Join(params string?[] parts) => string.Join(" · ", parts.Where(part => part is { Length: > 0 }));
}

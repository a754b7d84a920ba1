using System.Text.Json;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary>Which members of the API's objects people are shown, and how.</summary>
internal static class Columns
{
    public static Column[] Sessions(TimeProvider clock) =>
    [
        Column.Of("ID", "id"), Column.Of("NAME", "name"), Column.Of("STATUS", "status"), Column.Of("PHASE", "phase"), Column.Of("AGENT", "agent"),
        Column.Of("PROVIDER", "provider"), Column.Of("NETWORK", "network_policy"),
        new("TASKS", item => $"{(item.Text("current_task_id") is null ? 0 : 1)}+{item.Number("queued_tasks") ?? 0}"),
        new("COST", Cost), Age("AGE", "created_at", clock),
        Column.Of("PROFILE", "profile_id", wide: true), Column.Of("RUNNER", "runner_id", wide: true), Column.Of("WORKSPACE", "workspace_id", wide: true),
    ];

    public static Column[] SessionNetwork { get; } = [Column.Of("ID", "id"), new("Network", Network)];

    public static Column[] Session(TimeProvider clock) =>
    [
        Column.Of("ID", "id"), Column.Of("Name", "name"),
        new("Status", item => Join(item.Text("status"), item.Text("phase"), item.Text("reason"))),
        new("Agent", item => Join(item.Text("agent"), item.Text("agent_version"), item.Text("model"))),
        Column.Of("Base URL", "base_url"), new("Command", item => Words(item, "command")), Column.Of("Runner", "runner_id"),
        Column.Of("Provider", "provider"), Column.Of("Profile", "profile_id"),
        Column.Of("Workspace", "workspace_id"), Column.Of("Lifecycle", "lifecycle_mode"),
        new("Suspend", item => item.Text("suspend_strategy") is { } strategy && strategy != "release" ? strategy : null), Age("Paused", "paused_at", clock, " ago"), Column.Of("Permissions", "permission_mode"),
        new("Network", Network), new("Labels", Labels), Column.Of("Failover", "failover_policy"), Column.Of("Ends at", "expires_at"),
        new("Recovery point", item => item.Member("recovery_point") is { } point ? Join(point.Text("workspace"), point.Text("reason"), point.Text("at")) : null),
        new("From", item => item.Member("from") is { } from ? Join(from.Text("session_id"), from.Text("checkpoint_id"), from.Text("snapshot_id")) : null),
        Column.Of("Conversation", "conversation_id"), Column.Of("Events", "last_seq"), Column.Of("Task now", "current_task_id"),
        Column.Of("Tasks waiting", "queued_tasks"), new("Budget", item => BudgetOptions.Text(item.Member("budget"))), new("Usage", Usage), Age("Created", "created_at", clock, " ago"), Age("Last activity", "last_activity_at", clock, " ago"),
    ];

    public static Column[] Tasks(TimeProvider clock) =>
    [
        Column.Of("ID", "id"), Column.Of("SESSION", "session_id"), Column.Of("STATUS", "status"),
        new("PROMPT", item => Format.Fit(item.Text("prompt") ?? "", 40)),
        new("TOKENS", item => item.Member("usage") is { } usage ? $"{Format.Count(usage.Number("input_tokens") ?? 0)}/{Format.Count(usage.Number("output_tokens") ?? 0)}" : null),
        new("COST", Cost), Age("AGE", "created_at", clock),
    ];

    public static Column[] Task(TimeProvider clock) =>
    [
        Column.Of("ID", "id"), Column.Of("Session", "session_id"), new("Status", item => Join(item.Text("status"), item.Text("reason"))),
        Column.Of("Prompt", "prompt"), Column.Of("Timeout s", "timeout_seconds"),
        new("Retries", item => $"{item.Number("retry_count") ?? 0} of {item.Number("max_retries") ?? 0}"), new("Labels", Labels),
        new("Error", item => item.Member("error") is { } error ? Join(error.Text("code"), error.Text("message")) : null),
        new("Progress", Progress), Column.Of("Goes on at", "resumes_at"), new("Budget", item => BudgetOptions.Text(item.Member("budget"))),
        Column.Of("Result", "result"), new("Structured", item => item.Member("structured_output")?.GetRawText()),
        new("Files changed", item => string.Join(", ", item.Items("files_changed").Select(file => $"{file.Text("path")} ({file.Text("change")})"))), new("Usage", Usage), Age("Created", "created_at", clock, " ago"),
        new("Took", item => item.Time("started_at") is { } from && item.Time("ended_at") is { } to && to > from ? Format.Duration(to - from) : null),
    ];

    public static Column[] Permissions(TimeProvider clock) =>
    [
        Column.Of("ID", "id"), Column.Of("STATUS", "status"), Column.Of("TOOL", "tool"), Column.Of("RISK", "risk_level"),
        new("ACTION", item => Format.Fit(item.Text(item.IsOwnQuestion() ? "description" : "action") ?? "", 60)), Column.Of("SESSION", "session_id"),
        Age("AGE", "created_at", clock),
    ];

    public static Column[] Permission(TimeProvider clock) =>
    [
        Column.Of("ID", "id"), Column.Of("Status", "status"), Column.Of("Tool", "tool"), Column.Of("Category", "category"), Column.Of("Title", "title"),
        Column.Of("Description", "description"),
        Column.Of("Command", "command"), new("Action", item => item.Text("command") is null ? item.Text("action") : null), new("Paths", item => Words(item, "paths")),
        new("Hosts", item => Words(item, "hosts")), Column.Of("Diff", "diff"), Column.Of("Risk", "risk_level"), new("Because", item => Words(item, "risk_reasons", ", ")),
        Column.Of("Rules say", "rule_reason"), Column.Of("Agent says", "why"), new("Who may answer", item => Words(item, "approvers", ", ")),
        Column.Of("Approvals needed", "required_approvals"), Column.Of("Session", "session_id"), Column.Of("Task", "task_id"), Age("Asked", "created_at", clock, " ago"),
        Column.Of("Denied by itself", "expires_at"),
        new("History", item => string.Join('\n', item.Items("history").Select(n => string.Join(' ', new[] { n.Text("at"), n.Text("what"), n.Text("by"), n.Text("detail") }.Where(t => t is not null))))),
    ];

    public static Column[] Keys(TimeProvider clock) =>
    [
        Column.Of("ID", "id"), Column.Of("NAME", "name"), Column.Of("PREFIX", "key_prefix"), Column.Of("TENANT", "tenant"), new("SCOPES", item => Words(item, "scopes", ",")),
        Age("AGE", "created_at", clock), Age("LAST USED", "last_used_at", clock),
        new("STATE", item => item.Text("revoked_at") is not null ? "revoked" : item.Time("expires_at") <= clock.GetUtcNow() ? "expired" : "valid"),
    ];

    public static Column[] Agents { get; } =
    [
        Column.Of("NAME", "name"),
        new("INSTALLED", item => string.Join(", ", item.Items("installed").Select(found => $"{found.Text("program")} {found.Text("version")}".TrimEnd()))),
        new("FEATURES", item => Words(item, "features", " ")),
    ];

    internal static Column Age(string head, string member, TimeProvider clock, string after = "") =>
        new(head, item => item.Time(member) is { } time ? Format.Age(time, clock.GetUtcNow()) + after : null);

    public static Column[] UsageGroups =>
    [
        Column.Of("KEY", "key"), Column.Of("RUNS", "runs"), new("TOKENS", item => item.Member("usage") is { } usage
            ? $"{Format.Count(usage.Number("input_tokens") ?? 0)} in, {Format.Count(usage.Number("output_tokens") ?? 0)} out, {Format.Count(usage.Number("cache_read_tokens") ?? 0)} cached"
            : null),
        new("COST", Cost), new("TIME", item => Format.Duration(TimeSpan.FromMilliseconds(item.Member("usage")?.Number("wall_ms") ?? 0))),
    ];

    private static string? Progress(JsonElement item)
    {
        if (item.Member("progress") is not { } progress)
            return null;
        var todos = progress.Items("todos").ToArray();
        return Join(
            progress.Text("step"), progress.Number("percent") is { } percent ? $"{percent} %" : null,
            todos.Length > 0 ? $"{todos.Count(todo => todo.Text("status") == "completed")} of {todos.Length} done" : null);
    }

    private static string? Cost(JsonElement item) => item.Member("usage")?.Amount("cost_usd") is { } cost ? Format.Cost(cost) : null;

    private static string? Usage(JsonElement item) => item.Member("usage") is { } usage
        ? Join($"{usage.Number("input_tokens") ?? 0} tokens in", $"{usage.Number("output_tokens") ?? 0} out",
            $"{usage.Number("cache_read_tokens") ?? 0} read from cache", usage.Amount("cost_usd") is { } cost ? Format.Cost(cost) : null)
        : null;

    private static string? Network(JsonElement item) => Join(item.Text("network_policy"), Words(item, "allowed_hosts"));

    internal static string? Labels(JsonElement item) => item.Member("labels") is { ValueKind: JsonValueKind.Object } labels
        ? string.Join(", ", labels.EnumerateObject().Select(label => $"{label.Name}={label.Value}"))
        : null;

    internal static string? Words(JsonElement item, string member, string separator = " ") => string.Join(separator, item.Items(member).Select(word => word.ToString()));

    internal static string? Join(params string?[] parts) => string.Join(" · ", parts.Where(part => part is { Length: > 0 }).Distinct());
}

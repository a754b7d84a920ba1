using System.Text.Json;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary>How rules and verdicts are shown.</summary>
internal static class PolicyColumns
{
    private static readonly string[] Conditions = ["tools", "categories", "commands", "paths", "hosts", "agents"];

    public static Column[] Rules { get; } =
    [
        Column.Of("#", "position"), Column.Of("ID", "id"), Column.Of("EFFECT", "effect"), Column.Of("NAME", "name"), new("WHEN", item => Format.Fit(When(item), 80)),
    ];

    public static Column[] Rule { get; } =
    [
        Column.Of("ID", "id"), Column.Of("Effect", "effect"), Column.Of("Name", "name"), new("When", When), Column.Of("Scope", "scope"), Column.Of("Position", "position"),
        Column.Of("Reason", "reason"),
    ];

    public static Column[] Past { get; } =
    [
        Column.Of("ID", "permission_id"), Column.Of("WAS", "status"), Column.Of("WOULD BE", "effect"), Column.Of("RISK", "risk_level"), Column.Of("TOOL", "tool"),
        new("COMMAND", item => Format.Fit(item.Text("command") ?? "", 40)), new("WHY", item => Format.Fit(item.Text("why") ?? "", 60)),
    ];

    public static Column[] Verdict { get; } =
    [
        Column.Of("Effect", "effect"), Column.Of("Why", "why"), new("Risk", item => Join(item.Text("risk_level"), item.Items("risk_reasons"))),
        new("Rules", item => string.Join('\n', item.Items("trace").Select(t => $"{t.Text("rule_id")} {(t.Text("part") is { } part ? $"[{part}] " : "")}{t.Text("why")}"))),
    ];

    private static string Join(string? level, IEnumerable<JsonElement> reasons) => string.Join(": ", new[] { level, string.Join(", ", reasons.Select(r => r.GetString())) }.Where(t => t is { Length: > 0 }));

    private static string When(JsonElement rule)
    {
        var parts = Conditions.Where(name => rule.Items(name).Any()).Select(name => $"{name} {string.Join(" | ", rule.Items(name).Select(i => i.GetString()))}").ToList();
        if (rule.Text("risk_at_least") is { } least)
            parts.Add($"risk ≥ {least}");
        if (rule.Text("risk_at_most") is { } most)
            parts.Add($"risk ≤ {most}");
        if (rule.Member("labels") is { } labels)
            parts.AddRange(labels.EnumerateObject().Select(label => $"{label.Name}={label.Value}"));
        return parts.Count == 0 ? "always" : string.Join("; ", parts);
    }
}

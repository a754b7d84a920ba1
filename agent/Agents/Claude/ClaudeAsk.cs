using System.Text;
using System.Text.Json;
using Marionette.Agent.Agents.Permissions;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Claude;

/// <summary>Reads a <c>can_use_tool</c> request.</summary>
internal static class ClaudeAsk
{
    /// <summary>The tool by which Claude asks to leave plan mode.</summary>
    public const string PlanTool = "ExitPlanMode";

    /// <param name="plan">The plan that the request is about, if it is about one.</param>
    public static PermissionAsk Of(JsonElement request, string? plan = null)
    {
        var tool = request.Text("tool_name"u8) ?? "unknown";
        var input = request.Member("input"u8);
        return new PermissionAsk
        {
            Tool = tool,
            Input = input.ValueKind == JsonValueKind.Object ? Encoding.UTF8.GetBytes(input.GetRawText()) : "{}"u8.ToArray(),
            Category = CategoryOf(tool),
            Title = request.Text("title"u8),
            Command = tool == "Bash" ? input.Text("command"u8) : null,
            Paths = PathsOf(input),
            Hosts = HostsOf(input),
            Diff = ClaudeEdit.Diff(tool, input),
            Description = plan ?? request.Text("description"u8),
            Reason = request.Text("decision_reason"u8) ?? (request.Text("blocked_path"u8) is { Length: > 0 } path
                ? $"{path} is outside of what is allowed."
                : null),
            TakesInput = true,
            Context =
            [
                new("tool_use_id", request.Text("tool_use_id"u8)),
                new("blocked_path", request.Text("blocked_path"u8)),
                new("agent_id", request.Text("agent_id"u8)),
            ],
        };
    }

    private static string CategoryOf(string tool) => tool switch
    {
        "Bash" or "KillShell" or "BashOutput" => PermissionCategory.Command,
        "Read" or "Grep" or "Glob" or "LS" or "NotebookRead" => PermissionCategory.Read,
        "Write" or "Edit" or "MultiEdit" or "NotebookEdit" => PermissionCategory.Edit,
        "WebFetch" or "WebSearch" => PermissionCategory.Network,
        PlanTool => PermissionCategory.Plan,
        "AskUserQuestion" => PermissionCategory.Question,
        _ when tool.StartsWith("mcp__", StringComparison.Ordinal) => PermissionCategory.Mcp,
        _ => PermissionCategory.Other,
    };

    private static string[] PathsOf(JsonElement input) =>
        [.. new[] { input.Text("file_path"u8), input.Text("notebook_path"u8), input.Text("path"u8) }.OfType<string>().Where(path => path.Length > 0)];

    private static string[] HostsOf(JsonElement input) =>
        Uri.TryCreate(input.Text("url"u8), UriKind.Absolute, out var url) && url.Host.Length > 0 ? [url.Host] : [];
}

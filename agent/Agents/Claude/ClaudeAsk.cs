using System.Text;
using System.Text.Json;
using Marionette.Agent.Agents.Permissions;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Claude;

/// <summary>Reads a <c>can_use_tool</c> request.</summary>
internal static class ClaudeAsk
{
    public static PermissionAsk Of(JsonElement request)
    {
        var tool = request.Text("tool_name"u8) ?? "unknown";
        var input = request.Member("input"u8);
        return new PermissionAsk
        {
            Tool = tool,
            Input = input.ValueKind == JsonValueKind.Object ? Encoding.UTF8.GetBytes(input.GetRawText()) : "{}"u8.ToArray(),
            Category = CategoryOf(tool),
            Command = tool == "Bash" ? input.Text("command"u8) : null,
            Paths = PathsOf(input),
            Hosts = HostsOf(input),
            Description = request.Text("description"u8),
            Reason = request.Text("decision_reason"u8),
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
        "ExitPlanMode" => PermissionCategory.Plan,
        "AskUserQuestion" => PermissionCategory.Question,
        _ when tool.StartsWith("mcp__", StringComparison.Ordinal) => PermissionCategory.Mcp,
        _ => PermissionCategory.Other,
    };

    private static string[] PathsOf(JsonElement input) =>
        [.. new[] { input.Text("file_path"u8), input.Text("notebook_path"u8), input.Text("path"u8) }.OfType<string>().Where(path => path.Length > 0)];

    private static string[] HostsOf(JsonElement input) =>
        Uri.TryCreate(input.Text("url"u8), UriKind.Absolute, out var url) && url.Host.Length > 0 ? [url.Host] : [];
}

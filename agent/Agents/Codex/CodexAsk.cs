using System.Text;
using System.Text.Json;
using Marionette.Agent.Agents.Permissions;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Codex;

/// <summary>Reads Codex's questions.</summary>
internal static class CodexAsk
{
    public static PermissionAsk Command(JsonElement request, string workspace)
    {
        var command = ShellWords.Unwrap(request.Text("command"u8) ?? "");
        var folder = request.Text("cwd"u8) ?? workspace;
        var network = request.Member("networkApprovalContext"u8);
        return new PermissionAsk
        {
            Tool = "shell",
            Category = network.ValueKind == JsonValueKind.Object ? PermissionCategory.Network : PermissionCategory.Command,
            Input = Json(json =>
            {
                json.WriteString("command"u8, command);
                json.WriteString("cwd"u8, folder);
            }),
            Command = command.Length > 0 ? command : null,
            Paths = PathsOf(request.Member("commandActions"u8), folder),
            Hosts = network.Text("host"u8) is { Length: > 0 } host ? [host] : [],
            Reason = request.Text("reason"u8),
            Context = [new("tool_use_id", request.Text("itemId"u8)), new("thread_id", request.Text("threadId"u8))],
        };
    }

    public static PermissionAsk FileChange(JsonElement request, IReadOnlyList<CodexItems.Change> changes) => new()
    {
        Tool = "apply_patch",
        Category = changes.Count > 0 && changes.All(change => change.Kind == "delete") ? PermissionCategory.Delete : PermissionCategory.Edit,
        Input = Json(json =>
        {
            json.WriteStartArray("changes"u8);
            foreach (var change in changes)
            {
                json.WriteStartObject();
                json.WriteString("path"u8, change.Path);
                json.WriteString("kind"u8, change.Kind);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }),
        Paths = [.. changes.Select(change => change.Path)],
        Diff = changes.Count > 0 ? string.Concat(changes.Select(change => change.Diff)) : null,
        Reason = request.Text("reason"u8),
        Context =
        [
            new("tool_use_id", request.Text("itemId"u8)), new("thread_id", request.Text("threadId"u8)), new("grant_root", request.Text("grantRoot"u8)),
        ],
    };

    /// <summary>Codex asks for more than its sandbox gives.</summary>
    public static PermissionAsk Permissions(JsonElement request) => new()
    {
        Tool = "request_permissions",
        Category = PermissionCategory.Other,
        Input = Object(request.Member("permissions"u8)),
        Reason = request.Text("reason"u8),
        Context = [new("tool_use_id", request.Text("itemId"u8))],
    };

    /// <summary>An MCP server asks a person.</summary>
    public static PermissionAsk Elicitation(JsonElement request) => new()
    {
        Tool = $"mcp__{request.Text("serverName"u8)}",
        Category = PermissionCategory.Mcp,
        Title = request.Text("message"u8),
        Input = Json(json =>
        {
            json.Optional("message"u8, request.Text("message"u8));
            json.Optional("url"u8, request.Text("url"u8));
            if (request.Member("requestedSchema"u8) is not { ValueKind: JsonValueKind.Object } schema)
                return;
            json.WritePropertyName("requested_schema"u8);
            schema.WriteTo(json);
        }),
        Hosts = Uri.TryCreate(request.Text("url"u8), UriKind.Absolute, out var url) && url.Host.Length > 0 ? [url.Host] : [],
        TakesInput = true,
    };

    /// <summary>The model asks a person; the answer is the changed input: <c>{"answers":{QUESTION_ID:"…"}}</c>.</summary>
    public static PermissionAsk Question(JsonElement request) => new()
    {
        Tool = "request_user_input",
        Category = PermissionCategory.Question,
        Title = request.Member("questions"u8).Items().Select(question => question.Text("question"u8)).FirstOrDefault(),
        Input = Json(json =>
        {
            json.WritePropertyName("questions"u8);
            if (request.Member("questions"u8) is { ValueKind: JsonValueKind.Array } questions)
                questions.WriteTo(json);
            else
                json.WriteRawValue("[]"u8);
        }),
        TakesInput = true,
        Context = [new("tool_use_id", request.Text("itemId"u8))],
    };

    private static string[] PathsOf(JsonElement actions, string folder) =>
        [.. actions.Items().Select(action => action.Text("path"u8)).OfType<string>().Where(path => path.Length > 0)
            .Select(path => Path.GetFullPath(path, folder)).Distinct(StringComparer.Ordinal)];

    private static byte[] Object(JsonElement element) =>
        element.ValueKind == JsonValueKind.Object ? Encoding.UTF8.GetBytes(element.GetRawText()) : "{}"u8.ToArray();

    private static byte[] Json(Action<Utf8JsonWriter> members) => AskInput.Object(members);
}

using System.Text;
using System.Text.Json;
using Marionette.Agent.Agents.Permissions;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Acp;

/// <summary>Reads a question of an ACP agent, and writes its answer: an option of those that it offers, chosen by kind.</summary>
internal static class AcpAsk
{
    public static PermissionAsk Of(AcpCall call)
    {
        var category = CategoryOf(call);
        return new PermissionAsk
        {
            Tool = call.Name,
            Category = category,
            Input = Encoding.UTF8.GetBytes(call.HasInput ? call.Input.GetRawText() : "{}"),
            Title = call.Title.Length > 0 ? call.Title : null,
            Command = category == PermissionCategory.Command ? call.Command : null,
            Paths = PathsOf(call),
            Hosts = Uri.TryCreate(call.Input.Text("url"u8), UriKind.Absolute, out var url) && url.Host.Length > 0 ? [url.Host] : [],
            Diff = call.Diff ?? call.Input.Text("diff"u8),
            Description = call.Input.Text("description"u8),
            Context = [new("tool_use_id", call.Id)],
        };
    }

    /// <summary>The option to answer with.</summary>
    /// <param name="options">What the agent offers.</param>
    /// <returns>Its id; null when none of them says this.</returns>
    public static string? Choose(JsonElement options, bool allow)
    {
        string[] kinds = allow ? ["allow_once", "allow_always"] : ["reject_once", "reject_always"];
        return kinds
            .Select(kind => options.Items().FirstOrDefault(option => option.Text("kind"u8) == kind).Text("optionId"u8))
            .FirstOrDefault(found => found is not null);
    }

    public static void WriteSelected(Utf8JsonWriter json, string option)
    {
        json.WriteStartObject("outcome"u8);
        json.WriteString("outcome"u8, "selected"u8);
        json.WriteString("optionId"u8, option);
        json.WriteEndObject();
    }

    public static void WriteCancelled(Utf8JsonWriter json)
    {
        json.WriteStartObject("outcome"u8);
        json.WriteString("outcome"u8, "cancelled"u8);
        json.WriteEndObject();
    }

    private static string CategoryOf(AcpCall call) => call.Kind switch
    {
        _ when call.Name.StartsWith("mcp__", StringComparison.Ordinal) => PermissionCategory.Mcp,
        "execute" => PermissionCategory.Command,
        "read" or "search" => PermissionCategory.Read,
        "edit" or "move" => PermissionCategory.Edit,
        "delete" => PermissionCategory.Delete,
        "fetch" => PermissionCategory.Network,
        "switch_mode" => PermissionCategory.Plan,
        _ when call.Diff is not null => PermissionCategory.Edit,
        _ => PermissionCategory.Other,
    };

    private static IReadOnlyList<string> PathsOf(AcpCall call)
    {
        if (call.Paths.Count > 0)
            return call.Paths;
        if (call.ChangedPaths is { Count: > 0 } changed)
            return changed;
        return [.. new[] { call.Input.Text("file_path"u8), call.Input.Text("filePath"u8), call.Input.Text("filepath"u8), call.Input.Text("path"u8) }
            .OfType<string>().Where(path => path.Length > 0)];
    }
}

using System.Text.Json;
using Marionette.Permissions;

namespace Marionette.Silo.Hosting;

/// <summary>What a hook is told of a request: the original's envelope, and in it all that a person would see.</summary>
internal static class HookPayload
{
    public static byte[] Of(PermissionView request, DateTimeOffset now)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("event", "permission.requested");
            json.WriteString("timestamp", now.UtcDateTime);
            json.WriteStartObject("resource");
            json.WriteString("id", request.Id);
            json.WriteString("type", "permission");
            json.WriteStartObject("labels");
            foreach (var (name, value) in request.SessionLabels) json.WriteString(name, value);
            json.WriteEndObject();
            json.WriteStartObject("annotations");
            json.WriteEndObject();
            json.WriteEndObject();
            Data(json, request);
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }

    private static void Data(Utf8JsonWriter json, PermissionView request)
    {
        json.WriteStartObject("data");
        json.WriteString("session_id", request.SessionId);
        json.WriteString("task_id", request.TaskId);
        json.WriteString("run_id", request.RunId);
        json.WriteString("agent", request.Agent);
        json.WriteString("tool", request.Tool);
        json.WriteString("category", request.Category);
        json.WriteString("action", request.Action);
        json.WriteString("command", request.Command);
        List(json, "paths", request.Paths);
        List(json, "hosts", request.Hosts);
        json.WriteString("diff", request.Diff);
        json.WriteString("title", request.Title);
        json.WriteString("description", request.Description);
        json.WriteString("why", request.Why);
        json.WriteBoolean("takes_input", request.TakesInput ?? false);
        json.WriteString("risk_level", request.RiskLevel);
        List(json, "risk_reasons", request.RiskReasons);
        json.WriteString("status", "pending");
        json.WriteNumber("required_approvals", request.RequiredApprovals);
        json.WriteString("expires_at", request.ExpiresAt.UtcDateTime);
        json.WriteEndObject();
    }

    private static void List(Utf8JsonWriter json, string name, IEnumerable<string> items)
    {
        json.WriteStartArray(name);
        foreach (var item in items) json.WriteStringValue(item);
        json.WriteEndArray();
    }
}

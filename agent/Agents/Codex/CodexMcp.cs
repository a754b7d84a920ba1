using System.Text.Json;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Codex;

/// <summary>
/// The MCP servers of the session's own settings. Codex opens a thread before they are up and begins a turn without the tools of
/// those that are not; and it gives a server ten seconds, which a loaded machine or a first download easily outlasts.
/// </summary>
internal static class CodexMcp
{
    /// <summary>Seconds that a server has to start when the session's settings do not say.</summary>
    public const int StartupSeconds = 60;

    // Beyond a server's own time: Codex itself says then that the server failed.
    private const int GraceSeconds = 15;
    private const string Prefix = "mcp_servers";
    private const string Timeout = "startup_timeout_sec";

    /// <summary>The servers that the settings name and do not switch off, each with the seconds that it has to start.</summary>
    /// <param name="settings">Codex's settings as the session gives them: names may be paths with dots.</param>
    public static IReadOnlyDictionary<string, double> ServersOf(JsonElement settings)
    {
        var servers = new Dictionary<string, double>(StringComparer.Ordinal);
        var off = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (server, member, value) in Members(settings))
        {
            servers.TryAdd(server, StartupSeconds);
            if (member == Timeout && value.TryGetDouble(out var seconds))
                servers[server] = seconds;
            else if (member == "startup_timeout_ms" && value.TryGetDouble(out var milliseconds))
                servers[server] = milliseconds / 1000;
            else if (member == "enabled" && value.ValueKind == JsonValueKind.False)
                off.Add(server);
        }

        return servers.Where(server => !off.Contains(server.Key)).ToDictionary(StringComparer.Ordinal);
    }

    /// <summary>How long to wait for all of them.</summary>
    public static TimeSpan PatienceWith(IReadOnlyDictionary<string, double> servers) =>
        TimeSpan.FromSeconds(GraceSeconds + Math.Clamp(servers.Values.DefaultIfEmpty(0).Max(), 0, 600));

    /// <summary>Writes one setting as it is, but gives every server in it the time to start that it does not have yet.</summary>
    public static void WriteSetting(Utf8JsonWriter json, JsonProperty setting)
    {
        json.WritePropertyName(setting.Name);
        if (setting.Value.ValueKind == JsonValueKind.Object && setting.Name == Prefix)
        {
            json.WriteStartObject();
            foreach (var server in setting.Value.EnumerateObject())
            {
                json.WritePropertyName(server.Name);
                WriteServer(json, server.Value);
            }

            json.WriteEndObject();
        }
        else if (NameIn(setting.Name) is { } name && !name.Contains('.', StringComparison.Ordinal))
            WriteServer(json, setting.Value);
        else
            setting.Value.WriteTo(json);
    }

    private static void WriteServer(Utf8JsonWriter json, JsonElement server)
    {
        // Only what says how to start a server is one; a table may also just add to a server of Codex's own configuration.
        var begins = server.Member("command"u8).ValueKind == JsonValueKind.String || server.Member("url"u8).ValueKind == JsonValueKind.String;
        if (!begins || server.TryGetProperty(Timeout, out _) || server.TryGetProperty("startup_timeout_ms", out _))
        {
            server.WriteTo(json);
            return;
        }

        json.WriteStartObject();
        foreach (var member in server.EnumerateObject())
            member.WriteTo(json);
        json.WriteNumber(Timeout, StartupSeconds);
        json.WriteEndObject();
    }

    // Each member of each server, however the settings spell it: one table of all, a table per server, or a path per member.
    private static IEnumerable<(string Server, string Member, JsonElement Value)> Members(JsonElement settings)
    {
        if (settings.ValueKind != JsonValueKind.Object)
            yield break;
        foreach (var setting in settings.EnumerateObject())
        {
            if (setting.Name == Prefix && setting.Value.ValueKind == JsonValueKind.Object)
            {
                foreach (var found in setting.Value.EnumerateObject().SelectMany(server => MembersOf(server.Name, server.Value)))
                    yield return found;
            }
            else if (NameIn(setting.Name) is { } path)
            {
                var dot = path.IndexOf('.', StringComparison.Ordinal);
                if (dot > 0)
                    yield return (path[..dot], path[(dot + 1)..], setting.Value);
                foreach (var found in dot < 0 ? MembersOf(path, setting.Value) : [])
                    yield return found;
            }
        }
    }

    private static IEnumerable<(string Server, string Member, JsonElement Value)> MembersOf(string name, JsonElement server) =>
        server.ValueKind == JsonValueKind.Object ? server.EnumerateObject().Select(member => (name, member.Name, member.Value)) : [];

    private static string? NameIn(string setting) =>
        setting.StartsWith($"{Prefix}.", StringComparison.Ordinal) && setting.Length > Prefix.Length + 1 ? setting[(Prefix.Length + 1)..] : null;
}

using System.Globalization;
using System.Text.Json;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Claude;

/// <summary>What a session may say of Claude Code beside model and mode (docs/guides/agents/claude.md).</summary>
internal sealed record ClaudeOptions
{
    // One argument of a process has 128 KiB.
    private const int LongestPrompt = 100_000;

    private static readonly string[] Known = ["mcp_servers", "settings", "append_system_prompt", "max_turns", "add_dirs"];

    /// <summary>MCP servers by name, in Claude's own form; null for none. Headers in it may be secrets.</summary>
    public string? McpServers { get; private init; }

    /// <summary>Claude's own settings, as in its settings files; null for none.</summary>
    public string? Settings { get; private init; }

    public string? AppendSystemPrompt { get; private init; }

    public int? MaxTurns { get; private init; }

    /// <summary>Folders beside the workspace that Claude may work in.</summary>
    public IReadOnlyList<string> AddDirs { get; private init; } = [];

    /// <summary>Reads the options of a setup.</summary>
    /// <exception cref="AgentStartException">options_invalid, with every complaint.</exception>
    public static ClaudeOptions Read(ReadOnlyMemory<byte> json)
    {
        if (json.IsEmpty)
            return new ClaudeOptions();
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            var problems = Problems(root).ToList();
            if (problems.Count > 0)
                throw Invalid(string.Join("; ", problems));
            return new ClaudeOptions
            {
                McpServers = Raw(root.Member("mcp_servers"u8)),
                Settings = Raw(root.Member("settings"u8)),
                AppendSystemPrompt = root.Text("append_system_prompt"u8),
                MaxTurns = root.Member("max_turns"u8).ValueKind == JsonValueKind.Number ? (int)root.Number("max_turns"u8) : null,
                AddDirs = [.. root.Member("add_dirs"u8).Items().Select(folder => folder.GetString()!)],
            };
        }
        catch (JsonException)
        {
            throw Invalid("they are not valid JSON");
        }
    }

    /// <summary>Writes the files that Claude reads them from, and the arguments that name those.</summary>
    /// <param name="arguments">Added to.</param>
    /// <param name="folder">Folder of files that only the agent's own user may read.</param>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public void AddTo(List<string> arguments, string folder)
    {
        if (McpServers is not null)
            arguments.AddRange(["--mcp-config", WriteSecret(McpFile(folder), $$"""{"mcpServers":{{McpServers}} }""")]);
        if (Settings is not null)
            arguments.AddRange(["--settings", WriteSecret(Path.Combine(folder, "claude-settings.json"), Settings)]);
        if (AppendSystemPrompt is { Length: > 0 })
            arguments.AddRange(["--append-system-prompt", AppendSystemPrompt]);
        if (MaxTurns is { } turns)
            arguments.AddRange(["--max-turns", turns.ToString(CultureInfo.InvariantCulture)]);
        foreach (var added in AddDirs)
            arguments.AddRange(["--add-dir", added]);
    }

    /// <summary>Claude has read its servers: the file with their secrets goes.</summary>
    public void Forget(string folder)
    {
        if (McpServers is null)
            return;
        try
        {
            File.Delete(McpFile(folder));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // It is readable by its owner alone, and is written anew at the next start.
        }
    }

    private static string McpFile(string folder) => Path.Combine(folder, "claude-mcp.json");

    private static string? Raw(JsonElement value) => value.ValueKind == JsonValueKind.Object ? value.GetRawText() : null;

    private static AgentStartException Invalid(string what) =>
        new(ErrorCodes.OptionsInvalid, $"The session's options for Claude Code cannot be used: {what}.");

    private static string WriteSecret(string path, string text)
    {
        File.Delete(path); // a file that is there keeps its mode
        using var file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        file.Write(System.Text.Encoding.UTF8.GetBytes(text));
        return path;
    }

    private static IEnumerable<string> Problems(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            yield return "they are not a JSON object";
            yield break;
        }

        foreach (var member in root.EnumerateObject().Where(member => !Known.Contains(member.Name)))
            yield return $"{member.Name} is unknown (known are {string.Join(", ", Known)})";
        foreach (var name in new[] { "mcp_servers", "settings" })
        {
            if (root.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Object)
                yield return $"{name} must be an object";
        }

        if (root.TryGetProperty("mcp_servers", out var servers) && servers.ValueKind == JsonValueKind.Object)
        {
            foreach (var server in servers.EnumerateObject()
                .Where(server => server.Value.Text("command"u8) is null && server.Value.Text("url"u8) is null))
                yield return $"mcp_servers.{server.Name} must be an object with a command or a url";
        }

        if (root.TryGetProperty("append_system_prompt", out var prompt)
            && (prompt.ValueKind != JsonValueKind.String || prompt.GetString()!.Length > LongestPrompt))
            yield return $"append_system_prompt must be text of at most {LongestPrompt} characters";
        if (root.TryGetProperty("max_turns", out var turns)
            && (turns.ValueKind != JsonValueKind.Number || !turns.TryGetInt32(out var number) || number is < 1 or > 10_000))
            yield return "max_turns must be a whole number from 1 to 10000";
        if (root.TryGetProperty("add_dirs", out var folders) && (folders.ValueKind != JsonValueKind.Array || folders.EnumerateArray()
            .Any(folder => folder.ValueKind != JsonValueKind.String || !Path.IsPathRooted(folder.GetString()))))
            yield return "add_dirs must be a list of absolute paths";
    }
}

using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Marionette.Agent.Hosting;

/// <summary>
/// What a provider gives the agent that it starts: a JSON file, mode 0600 because it carries the runner's token, or a line of input.
/// Secrets never travel in the arguments.
/// </summary>
/// <remarks>Settable members: the compiled JSON reader gives an init-only member that is missing null in place of its default.</remarks>
internal sealed record AgentConfig
{
    /// <summary>The gateway's gRPC address, http or https.</summary>
    [JsonPropertyName("server_url")]
    public string ServerUrl { get; set; } = "";

    /// <summary>Optional file with a <c>grpc_url</c> that is read again before every dial and wins over <see cref="ServerUrl"/>.</summary>
    [JsonPropertyName("endpoints_file")]
    public string? EndpointsFile { get; set; }

    /// <summary>Full runner key, <c>tenant/run_…</c>.</summary>
    [JsonPropertyName("runner")]
    public string Runner { get; set; } = "";

    /// <summary>Epoch of the runner, from 1.</summary>
    [JsonPropertyName("epoch")]
    public long Epoch { get; set; }

    /// <summary>The single-use token.</summary>
    [JsonPropertyName("token")]
    public string Token { get; set; } = "";

    /// <summary>Folder of the spool, the secret and the journal. Made when missing.</summary>
    [JsonPropertyName("state_dir")]
    public string StateDir { get; set; } = "";

    /// <summary>Working directory of the driven agent. Made when missing.</summary>
    [JsonPropertyName("workspace_dir")]
    public string WorkspaceDir { get; set; } = "";

    /// <summary>HOME of the driven agent; its conversations live there. Made when missing.</summary>
    [JsonPropertyName("home_dir")]
    public string HomeDir { get; set; } = "";

    /// <summary>Folders put before PATH.</summary>
    [JsonPropertyName("tools_path")]
    public IReadOnlyList<string> ToolsPath { get; set; } = [];

    /// <summary>The Claude Code binary; without it, <c>claude</c> is looked for in PATH.</summary>
    [JsonPropertyName("claude_path")]
    public string? ClaudePath { get; set; }

    /// <summary>
    /// Programs of agents by name ("codex", "opencode"), for those that are not to be looked for in PATH.
    /// </summary>
    [JsonPropertyName("agent_paths")]
    public IReadOnlyDictionary<string, string> AgentPaths { get; set; } = new Dictionary<string, string>();

    /// <summary>Environment of the driven agent, by the runner's profile. What the session asks for wins over it.</summary>
    [JsonPropertyName("env")]
    public IReadOnlyDictionary<string, string> Env { get; set; } = new Dictionary<string, string>();

    /// <summary>Silence of the driven agent and its model after which a run fails as stalled.</summary>
    /// <value>Seconds, 1 to 86400; default 600.</value>
    [JsonPropertyName("stall_seconds")]
    public int StallSeconds { get; set; } = 600;

    /// <summary>Bound of the spool on disk.</summary>
    /// <value>MiB, 1 to 65536; default 256.</value>
    [JsonPropertyName("spool_mib")]
    public int SpoolMib { get; set; } = 256;

    [JsonIgnore]
    public Uri ServerUri => TryHttpUri(ServerUrl, out var uri) ? uri : throw new InvalidOperationException("not validated");

    /// <summary>Reads and checks a file.</summary>
    /// <returns>The configuration, or null and every complaint in one line.</returns>
    public static AgentConfig? Load(string path, out string problem)
    {
        try
        {
            return Parse(File.ReadAllBytes(path), out problem);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            problem = exception.Message;
            return null;
        }
    }

    /// <summary>Reads and checks a configuration that was handed over.</summary>
    /// <returns>The configuration, or null and every complaint in one line.</returns>
    public static AgentConfig? Parse(ReadOnlySpan<byte> json, out string problem)
    {
        AgentConfig? config;
        try
        {
            config = json.IsEmpty ? null : JsonSerializer.Deserialize(json, AgentJsonContext.Default.AgentConfig);
        }
        catch (JsonException exception)
        {
            // The message of the parser may quote the text, and the text holds a token: only the place is told.
            problem = $"not valid JSON at line {exception.LineNumber + 1}";
            return null;
        }

        problem = config is null ? "it is empty" : string.Join("; ", config.Problems());
        return problem.Length == 0 ? config : null;
    }

    public static bool TryHttpUri(string? text, [NotNullWhen(true)] out Uri? uri) =>
        Uri.TryCreate(text, UriKind.Absolute, out uri) && uri.Scheme is "http" or "https";

    private IEnumerable<string> Problems()
    {
        if (!TryHttpUri(ServerUrl, out _))
            yield return "server_url must be an http or https URL";
        if (!Runner.Contains('/', StringComparison.Ordinal))
            yield return "runner must be \"tenant/run_…\"";
        if (Epoch < 1)
            yield return "epoch must be 1 or more";
        if (Token.Length == 0)
            yield return "token is missing";
        foreach (var (name, value) in new[]
                 {
                     ("state_dir", StateDir), ("workspace_dir", WorkspaceDir), ("home_dir", HomeDir),
                 })
        {
            if (!Path.IsPathRooted(value))
                yield return $"{name} must be an absolute path";
        }

        if (StallSeconds is < 1 or > 86_400)
            yield return "stall_seconds must be 1 to 86400";
        if (SpoolMib is < 1 or > 65_536)
            yield return "spool_mib must be 1 to 65536";
    }
}

/// <summary>The agent's JSON types: compiled, no reflection.</summary>
[JsonSerializable(typeof(AgentConfig))]
[JsonSerializable(typeof(Runs.JournalRecord))]
[JsonSerializable(typeof(Workspaces.FolderMark))]
internal sealed partial class AgentJsonContext : JsonSerializerContext;

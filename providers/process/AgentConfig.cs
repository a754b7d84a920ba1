using System.Text.Json.Serialization;

namespace Marionette.Providers.Processes;

/// <summary>The agent's configuration file.</summary>
internal sealed record AgentConfig(
    string ServerUrl,
    string? EndpointsFile,
    string Runner,
    long Epoch,
    string Token,
    string StateDir,
    string WorkspaceDir,
    string HomeDir,
    IReadOnlyList<string> ToolsPath,
    IReadOnlyDictionary<string, string> Env);

/// <summary>Whose runner a folder is.</summary>
internal sealed record RunnerOwner(string Runner, long Epoch);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AgentConfig))]
[JsonSerializable(typeof(RunnerOwner))]
[JsonSerializable(typeof(AgentInventory))]
internal sealed partial class ProcessJsonContext : JsonSerializerContext;

using System.Text.Json;
using System.Text.Json.Serialization;

namespace Marionette.Providers.Docker;

/// <summary>Where things lie in a runner, and what its agent is told.</summary>
internal static class AgentFiles
{
    /// <summary>The agent's user in the image.</summary>
    public const int User = 10001;

    /// <summary>Mount points of the volumes.</summary>
    public const string Workspace = "/workspace", Home = "/home/agent", State = "/var/lib/marionette";

    /// <summary>Name that runners know the gateway by when its own address means nothing in their network.</summary>
    public const string GatewayName = "gateway.marionette.internal";

    /// <summary>The configuration as the agent reads it: one line.</summary>
    public static byte[] Line(AgentConfig config) => [.. JsonSerializer.SerializeToUtf8Bytes(config, DockerJsonContext.Default.AgentConfig), (byte)'\n'];
}

/// <summary>The agent's configuration.</summary>
internal sealed record AgentConfig(
    string ServerUrl, string Runner, long Epoch, string Token, string StateDir, string WorkspaceDir, string HomeDir,
    IReadOnlyDictionary<string, string> Env)
{
    /// <summary>Never the token.</summary>
    public override string ToString() => $"AgentConfig({Runner}, epoch {Epoch})";
}

/// <summary>What <c>marionette-agent agents</c> prints.</summary>
internal sealed record AgentInventory(IReadOnlyList<InstalledAgent> Agents);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AgentConfig))]
[JsonSerializable(typeof(AgentInventory))]
[JsonSerializable(typeof(NetdRequest))]
[JsonSerializable(typeof(NetdLine))]
internal sealed partial class DockerJsonContext : JsonSerializerContext;

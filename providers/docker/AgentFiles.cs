using System.Formats.Tar;
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

    /// <summary>The agent's configuration.</summary>
    public const string Config = State + "/agent.json";

    /// <summary>Name that runners know the gateway by when its own address means nothing in their network.</summary>
    public const string GatewayName = "gateway.marionette.internal";

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>
    /// The configuration as an archive for <see cref="State"/>. The engine writes an archive's files one after another: under its real name the
    /// file appears as a second link to what is whole already.
    /// </summary>
    public static async Task<MemoryStream> ArchiveAsync(AgentConfig config, CancellationToken cancellationToken)
    {
        var archive = new MemoryStream();
        await using (var writer = new TarWriter(archive, TarEntryFormat.Ustar, leaveOpen: true))
        {
            using var content = new MemoryStream(JsonSerializer.SerializeToUtf8Bytes(config, DockerJsonContext.Default.AgentConfig));
            var file = new UstarTarEntry(TarEntryType.RegularFile, "agent.json.new") { Mode = OwnerOnly, Uid = User, Gid = User, DataStream = content };
            await writer.WriteEntryAsync(file, cancellationToken);
            var link = new UstarTarEntry(TarEntryType.HardLink, "agent.json") { Mode = OwnerOnly, Uid = User, Gid = User, LinkName = "agent.json.new" };
            await writer.WriteEntryAsync(link, cancellationToken);
        }

        archive.Position = 0;
        return archive;
    }
}

/// <summary>The agent's configuration file.</summary>
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

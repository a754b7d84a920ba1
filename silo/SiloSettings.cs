using System.Net;
using Marionette.Gateway.Workspaces;
using Marionette.Pools;

namespace Marionette.Silo;

/// <summary>What a silo process is told on its command line.</summary>
internal sealed record SiloSettings
{
    /// <summary>"up": silo and gateway in one process; "silo": the silo alone.</summary>
    public required string Command { get; init; }

    /// <summary>Folder of keys, runners, workspaces and the embedded database.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>A shared PostgreSQL; null = an embedded one in the data folder.</summary>
    public string? ConnectionString { get; init; }

    /// <summary>Address that all ports are opened on. Loopback unless told otherwise.</summary>
    public IPAddress Bind { get; init; } = IPAddress.Loopback;

    /// <summary>0 picks a free one.</summary>
    public int ApiPort { get; init; } = 8080;

    /// <summary>0 picks a free one.</summary>
    public int AdminPort { get; init; } = 8081;

    /// <summary>0 picks a free one.</summary>
    public int GrpcPort { get; init; } = 9090;

    /// <summary>Where runners reach the gRPC port when it is not in this process.</summary>
    public string? RunnerUrl { get; init; }

    /// <summary>Address of the API as people reach it, for links; null = the one that a request came to.</summary>
    public string? PublicUrl { get; init; }

    /// <summary>Folder or bucket of workspaces' checkpoints as it was given; null = <c>chunks</c> in the data folder.</summary>
    public string? ChunkStore { get; init; }

    /// <summary>Address of the bucket's server when it is not AWS.</summary>
    public string? ChunkStoreEndpoint { get; init; }

    /// <summary>The bucket's region.</summary>
    public string? ChunkStoreRegion { get; init; }

    /// <summary>"on" or "off": whether runners go straight to the bucket.</summary>
    public string? ChunkStoreDirect { get; init; }

    /// <summary>What tenants' keys of the chunk store are wrapped with, as it was given; null = the master key.</summary>
    public string? ChunkKey { get; init; }

    /// <summary>Address of the key service when it is not AWS.</summary>
    public string? ChunkKeyEndpoint { get; init; }

    /// <summary>The key service's region.</summary>
    public string? ChunkKeyRegion { get; init; }

    /// <summary>Let approval hooks lie on this machine and in private networks.</summary>
    public bool AllowPrivateHooks { get; init; }

    /// <summary>Name of the installation in the membership table.</summary>
    public string ClusterId { get; init; } = "marionette";

    /// <summary>The marionette-agent binary for the process provider.</summary>
    public string AgentBinary { get; init; } = Path.Combine(AppContext.BaseDirectory, "marionette-agent");

    /// <summary>Folders put in front of the agents' PATH.</summary>
    public IReadOnlyList<string> ToolsPath { get; init; } = [];

    /// <summary>The provider of containers.</summary>
    public DockerSettings Docker { get; init; } = new();

    /// <summary>Pools of hosts that call; each is a provider of its name.</summary>
    public IReadOnlyList<string> Pools { get; init; } = [];

    /// <summary>File with "api_url" and the others; written when all is ready.</summary>
    public string EndpointsFile => Path.Combine(DataDirectory, "endpoints.json");

    public bool HasGateway => Command == "up";

    /// <summary>The gateway's chunk store; null = none.</summary>
    public StorePlace? Chunks { get; private init; }

    /// <summary>What the gateway wraps tenants' keys with.</summary>
    public ChunkKeys ChunkKeys { get; private init; } = ChunkKeys.OfMaster;

    /// <summary>Reads the command line.</summary>
    /// <exception cref="ArgumentException">What is wrong and which option, in one line.</exception>
    public static SiloSettings Parse(string[] args)
    {
        if (args is not ["up" or "silo", ..]) throw new ArgumentException("usage: marionette-silo up|silo --data-dir DIR [options]; see docs/reference/configuration.md");
        var settings = new SiloSettings { Command = args[0], DataDirectory = "" };
        for (var i = 1; i < args.Length; i += 2)
        {
            if (i + 1 >= args.Length) throw new ArgumentException($"{args[i]} needs a value");
            settings = settings.With(args[i], args[i + 1]);
        }

        if (settings.DataDirectory.Length == 0) throw new ArgumentException("--data-dir is required");
        if (settings.Docker.Host is null && args.Any(a => a.StartsWith("--docker-", StringComparison.Ordinal)))
            throw new ArgumentException("--docker-host is required by the other --docker options");
        if (settings.Docker.Host is not null && !settings.ClusterId.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'))
            throw new ArgumentException($"--cluster-id: \"{settings.ClusterId}\" names containers, so it takes letters, digits, - and _");
        settings = settings with { DataDirectory = Path.GetFullPath(settings.DataDirectory) };
        return settings.HasGateway ? WithChunks(settings) : settings;
    }

    private static SiloSettings WithChunks(SiloSettings settings)
    {
        try
        {
            var store = settings.ChunkStore ?? Path.Combine(settings.DataDirectory, "chunks");
            return settings with
            {
                Chunks = StorePlace.Parse(store, settings.ChunkStoreEndpoint, settings.ChunkStoreRegion, settings.ChunkStoreDirect),
                ChunkKeys = ChunkKeys.Parse(settings.ChunkKey, settings.ChunkKeyEndpoint, settings.ChunkKeyRegion),
            };
        }
        catch (FormatException e)
        {
            throw new ArgumentException(e.Message, e);
        }
    }

    private SiloSettings With(string option, string value) => option switch
    {
        "--data-dir" => this with { DataDirectory = value },
        "--connection-string" => this with { ConnectionString = value },
        "--bind" => this with { Bind = IPAddress.TryParse(value, out var ip) ? ip : throw new ArgumentException($"--bind: \"{value}\" is not an IP address") },
        "--api-port" => this with { ApiPort = Port(option, value) },
        "--admin-port" => this with { AdminPort = Port(option, value) },
        "--grpc-port" => this with { GrpcPort = Port(option, value) },
        "--runner-url" => this with { RunnerUrl = Uri.TryCreate(value, UriKind.Absolute, out _) ? value : throw new ArgumentException($"--runner-url: \"{value}\" is not a URL") },
        "--public-url" => this with { PublicUrl = Uri.TryCreate(value, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" ? value : throw new ArgumentException($"--public-url: \"{value}\" is not an http or https address") },
        "--chunk-store" => this with { ChunkStore = value },
        "--chunk-store-endpoint" => this with { ChunkStoreEndpoint = value },
        "--chunk-store-region" => this with { ChunkStoreRegion = value },
        "--chunk-store-direct" => this with { ChunkStoreDirect = value },
        "--chunk-key" => this with { ChunkKey = value },
        "--chunk-key-endpoint" => this with { ChunkKeyEndpoint = value },
        "--chunk-key-region" => this with { ChunkKeyRegion = value },
        "--allow-private-hooks" => this with { AllowPrivateHooks = bool.TryParse(value, out var allow) ? allow : throw new ArgumentException($"--allow-private-hooks: \"{value}\" is neither true nor false") },
        "--cluster-id" => this with { ClusterId = value },
        "--agent-binary" => this with { AgentBinary = Path.GetFullPath(value) },
        "--tools-path" => this with { ToolsPath = value.Split(':', StringSplitOptions.RemoveEmptyEntries) },
        "--pools" => this with { Pools = PoolNames(value) },
        _ when option.StartsWith("--docker-", StringComparison.Ordinal) => this with { Docker = Docker.With(option, value) },
        _ => throw new ArgumentException($"{option} is not an option"),
    };

    private static string[] PoolNames(string value)
    {
        var names = value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (names.FirstOrDefault(name => !PoolKeys.IsPool(name)) is { } wrong)
            throw new ArgumentException($"--pools: \"{wrong}\" names no pool; 1 to 40 of a-z, 0-9 and -, and not {string.Join(", ", PoolKeys.Reserved.Order())}");
        return names.Distinct().Count() == names.Length ? names : throw new ArgumentException($"--pools: \"{value}\" names a pool twice");
    }

    private static int Port(string option, string value) =>
        int.TryParse(value, out var port) && port is >= 0 and <= 65535 ? port : throw new ArgumentException($"{option}: \"{value}\" is not a port (0 to 65535)");
}

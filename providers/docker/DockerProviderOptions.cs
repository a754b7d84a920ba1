namespace Marionette.Providers.Docker;

/// <summary>Which engine, and what its runners are made of.</summary>
public sealed class DockerProviderOptions
{
    /// <summary>Address of the engine: <c>unix:///var/run/docker.sock</c>, <c>tcp://host:2375</c>.</summary>
    public required Uri Host { get; init; }

    /// <summary>
    /// Name of this installation: 1 to 40 of [a-zA-Z0-9_-]. Resources are named and labelled by it; two installations on one engine never meet.
    /// </summary>
    public required string Installation { get; init; }

    /// <summary>Address of the runners' gRPC, as this process reaches it. Read at each start of an agent.</summary>
    public required Func<string> ServerUrl { get; init; }

    /// <summary>Image of runners whose profile names none. Default "marionette-runner:latest".</summary>
    public string Image { get; init; } = "marionette-runner:latest";

    /// <summary>When an image is asked of its registry. Default: when the engine has it not.</summary>
    public ImagePull Pull { get; init; } = ImagePull.Missing;

    /// <summary>
    /// A Docker network for runners, which then reach all that it reaches. Null, the default: none but the way through the helper that
    /// enforces the network policy, for which the engine must be on Linux and let a container have NET_ADMIN and SYS_ADMIN on it.
    /// </summary>
    public string? Network { get; init; }

    /// <summary>Names that runners reach whatever their policy says, each with the host:port behind it as the engine's machine reaches it.</summary>
    public IReadOnlyDictionary<string, string> Aliases { get; init; } = new Dictionary<string, string>();

    /// <summary>Name of the engine's gVisor runtime. Default "runsc"; used by profiles whose sandbox is "auto" where the engine has it.</summary>
    public string GvisorRuntime { get; init; } = "runsc";

    /// <summary>Open files of a runner's process. Default 16384; the engine cannot give more than it has itself.</summary>
    public long OpenFiles { get; init; } = 16_384;

    /// <summary>How long an agent has to end by itself before it is killed. Default 10 s; whole seconds.</summary>
    public TimeSpan StopGrace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Limit of one call of the engine. Default 60 s.</summary>
    public TimeSpan CallTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Limit of the pull of an image. Default 15 min.</summary>
    public TimeSpan PullTimeout { get; init; } = TimeSpan.FromMinutes(15);
}

/// <summary>When an image is asked of its registry.</summary>
public enum ImagePull
{
    /// <summary>When the engine has it not.</summary>
    Missing = 0,
    /// <summary>Never: what is not there is refused.</summary>
    Never = 1,
    /// <summary>Before each new runner.</summary>
    Always = 2,
}

using Marionette.Providers.Docker;

namespace Marionette.Silo;

/// <summary>The provider "docker", as the command line asks for it: there is one when <see cref="Host"/> is given.</summary>
internal sealed record DockerSettings
{
    /// <summary>Address of the engine; null = no such provider.</summary>
    public Uri? Host { get; init; }

    /// <summary>Image of runners; null = the provider's own default.</summary>
    public string? Image { get; init; }

    /// <summary>Docker network of runners; null = the one that enforces network policies.</summary>
    public string? Network { get; init; }

    /// <summary>Names that runners always reach.</summary>
    public IReadOnlyDictionary<string, string> Aliases { get; init; } = new Dictionary<string, string>();

    /// <summary>When images are pulled.</summary>
    public ImagePull Pull { get; init; }

    /// <summary>The engine's gVisor runtime; null = the provider's own default.</summary>
    public string? GvisorRuntime { get; init; }

    /// <summary>Takes one of the options that begin with --docker-.</summary>
    /// <exception cref="ArgumentException">What is wrong and which option.</exception>
    public DockerSettings With(string option, string value) => option switch
    {
        "--docker-host" => this with { Host = Address(value) },
        "--docker-image" => this with { Image = value },
        "--docker-network" => this with { Network = value },
        "--docker-aliases" => this with { Aliases = value.Split(',', StringSplitOptions.RemoveEmptyEntries)
            .Select(Alias).ToDictionary(a => a.Name, a => a.Target) },
        "--docker-pull" => this with { Pull = Enum.TryParse<ImagePull>(value, ignoreCase: true, out var pull) && Enum.IsDefined(pull)
            ? pull
            : throw new ArgumentException($"--docker-pull: \"{value}\" is none of missing, never, always") },
        "--docker-gvisor-runtime" => this with { GvisorRuntime = value },
        _ => throw new ArgumentException($"{option} is not an option"),
    };

    /// <summary>What the provider is made with.</summary>
    public DockerProviderOptions ToOptions(string installation, Func<string> serverUrl)
    {
        var defaults = new DockerProviderOptions { Host = Host!, Installation = installation, ServerUrl = serverUrl };
        return new DockerProviderOptions
        {
            Host = Host!,
            Installation = installation,
            ServerUrl = serverUrl,
            Image = Image ?? defaults.Image,
            Network = Network,
            Aliases = Aliases,
            Pull = Pull,
            GvisorRuntime = GvisorRuntime ?? defaults.GvisorRuntime,
        };
    }

    private static Uri Address(string value) => Uri.TryCreate(value, UriKind.Absolute, out var address)
        && address.Scheme is "unix" or "tcp" or "http" or "https"
        ? address
        : throw new ArgumentException($"--docker-host: \"{value}\" is no address such as unix:///var/run/docker.sock or tcp://host:2375");

    private static (string Name, string Target) Alias(string text) =>
        text.Split('=') is [{ Length: > 0 } name, var target] && target.LastIndexOf(':') is > 0 and var colon && ushort.TryParse(target[(colon + 1)..], out _)
            ? (name, target)
            : throw new ArgumentException($"--docker-aliases: \"{text}\" is not NAME=HOST:PORT");
}

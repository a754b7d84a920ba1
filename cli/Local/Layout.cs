namespace Marionette.Cli.Local;

/// <summary>Where the built parts are: <c>artifacts/</c> of the checkout, as the script at its root lays it out.</summary>
/// <param name="Home">The artifacts folder.</param>
/// <param name="Claude">The claude program that runners get, or null when there is none.</param>
internal sealed record Layout(string Home, string? Claude)
{
    private static readonly string[] AgentVariables = ["MARIONETTE_CODEX", "MARIONETTE_OPENCODE", "MARIONETTE_CLAUDE_ACP"];

    /// <summary>The other agents that are there.</summary>
    public IReadOnlyList<string> OtherAgents { get; private init; } = [];

    public string Agent => Path.Combine(Home, "agent", "marionette-agent");

    public string Silo => Path.Combine(Home, "silo", "marionette-silo");

    public string ModelServer => Path.Combine(Home, "modelserver", "Marionette.ModelServer");

    public string Bench => Path.Combine(Home, "bench", "Marionette.Bench");

    public string Logs => Path.Combine(Home, "log");

    /// <summary>The checkout.</summary>
    public string Source => Path.GetDirectoryName(Home)!;

    public static Layout Find(CliContext context)
    {
        // artifacts/cli/ is where this program stands, unless the script says otherwise.
        var home = context.Variable("MARIONETTE_HOME") ?? Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory))!;
        return new Layout(Path.GetFullPath(home), context.Variable("MARIONETTE_CLAUDE") is { } claude && File.Exists(claude) ? claude : null)
        {
            OtherAgents = [.. AgentVariables.Select(context.Variable).OfType<string>().Where(File.Exists)],
        };
    }

    /// <summary>A part that must be there.</summary>
    /// <exception cref="CliException">It was not built.</exception>
    public static string Need(string program, string what) => File.Exists(program)
        ? program
        : throw new CliException($"{what} is not built ({program} is missing)", "Start with the ./marionette script, which builds what is missing.");

    /// <summary>The silo's command line, up to the options of its place and ports.</summary>
    public IEnumerable<string> SiloCommand(SiloPlace place)
    {
        yield return Need(Silo, "the server");
        yield return "up";
        yield return "--data-dir";
        yield return place.DataFolder;
        foreach (var (name, port) in new[] { ("--api-port", place.ApiPort), ("--admin-port", place.AdminPort), ("--grpc-port", place.GrpcPort) })
        {
            yield return name;
            yield return port.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }
        yield return "--bind";
        yield return place.Bind;
        if (place.ConnectionString is { } connection)
        {
            yield return "--connection-string";
            yield return connection;
        }
        foreach (var (name, value) in place.Chunks?.Options ?? [])
        {
            yield return name;
            yield return value;
        }
        yield return "--agent-binary";
        yield return Need(Agent, "the agent");
        string[] tools = [.. OtherAgents.Prepend(Claude).OfType<string>().Select(program => Path.GetDirectoryName(program)!).Distinct(StringComparer.Ordinal)];
        if (tools.Length > 0)
        {
            yield return "--tools-path";
            yield return string.Join(':', tools);
        }
        if (place.DockerHost is { } docker)
        {
            yield return "--docker-host";
            yield return docker;
            if (place.DockerImage is { } image)
            {
                yield return "--docker-image";
                yield return image;
            }
        }
        if (place.Pools is { Count: > 0 } pools)
        {
            yield return "--pools";
            yield return string.Join(',', pools);
        }
    }
}

/// <summary>Where a silo listens and keeps its data.</summary>
/// <param name="Pools">Names of the pools of hosts that it has.</param>
/// <param name="Chunks">Where workspaces' checkpoints go; null = in the data folder.</param>
internal sealed record SiloPlace(
    string DataFolder, int ApiPort, int AdminPort, int GrpcPort, string Bind = "127.0.0.1", string? ConnectionString = null, string? DockerHost = null, string? DockerImage = null,
    IReadOnlyList<string>? Pools = null, ChunkSettings? Chunks = null);

/// <summary>The chunk store as the server's options say it; what is null was not given.</summary>
internal sealed record ChunkSettings(string? Store, string? Endpoint, string? Region, string? Direct, string? Key = null, string? KeyEndpoint = null, string? KeyRegion = null)
{
    /// <summary>Names and values, as they were given: the server reads and checks them.</summary>
    public IEnumerable<(string Name, string Value)> Options
    {
        get
        {
            (string, string?)[] all =
            [
                ("--chunk-store", Store), ("--chunk-store-endpoint", Endpoint), ("--chunk-store-region", Region), ("--chunk-store-direct", Direct),
                ("--chunk-key", Key), ("--chunk-key-endpoint", KeyEndpoint), ("--chunk-key-region", KeyRegion),
            ];
            foreach (var (name, value) in all)
                if (value is not null)
                    yield return (name, value);
        }
    }
}

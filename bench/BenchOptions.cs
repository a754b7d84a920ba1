using Marionette.Bench.Figures;

namespace Marionette.Bench;

/// <summary>What was asked for on the command line.</summary>
internal sealed record BenchOptions
{
    /// <summary>Names of the figures to measure; empty = all.</summary>
    public IReadOnlyList<string> Only { get; init; } = [];

    /// <summary>One JSON object a line instead of a table.</summary>
    public bool Json { get; init; }

    /// <summary>A tenth of the work: to see that all runs, not to learn figures.</summary>
    public bool Quick { get; init; }

    /// <summary>Folder with the built programs: <c>silo/</c> and <c>agent/</c>.</summary>
    public required string Artifacts { get; init; }

    /// <summary>A git repository for the figures that clone one: <c>MARIONETTE_BENCH_REPOSITORY</c>, or this program's own.</summary>
    public required string Repository { get; init; }

    /// <summary>A folder with npm packages: <c>MARIONETTE_BENCH_PACKAGES</c>, or where <c>./marionette</c> keeps the agents that it installs.</summary>
    public required string Packages { get; init; }

    /// <summary>An amount of work: the given one, or a tenth of it.</summary>
    public int Scale(int amount) => Quick ? Math.Max(1, amount / 10) : amount;

    /// <summary>Rounds of floor and value in turns.</summary>
    public int Rounds => Quick ? 1 : 3;

    /// <summary>Path of a built program.</summary>
    /// <exception cref="FileNotFoundException">It is not built.</exception>
    public string Program(string part, string name) => Path.Combine(Artifacts, part, name) is var path && File.Exists(path)
        ? path
        : throw new FileNotFoundException($"{path} is not built; run ./marionette bench, which builds it.");

    /// <summary>Where <c>./marionette</c> installs agents unless <c>MARIONETTE_TOOLS</c> says otherwise.</summary>
    private static string Tools => Environment.IsPrivilegedProcess
        ? "/var/lib/marionette/tools"
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData), "marionette", "tools");

    /// <exception cref="ArgumentException">What is wrong, in one line.</exception>
    public static BenchOptions Parse(string[] args)
    {
        // bench/ stands beside silo/ and agent/.
        var home = Environment.GetEnvironmentVariable("MARIONETTE_ARTIFACTS") ?? Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, ".."));
        // ./marionette says where the sources are; artifacts/ lies in them.
        var source = Environment.GetEnvironmentVariable("MARIONETTE_SOURCE") ?? Path.GetFullPath(Path.Combine(home, ".."));
        var options = new BenchOptions
        {
            Artifacts = home, Repository = Environment.GetEnvironmentVariable("MARIONETTE_BENCH_REPOSITORY") ?? source,
            Packages = Environment.GetEnvironmentVariable("MARIONETTE_BENCH_PACKAGES") ?? Environment.GetEnvironmentVariable("MARIONETTE_TOOLS") ?? Tools,
        };
        var only = new List<string>();
        for (var i = 0; i < args.Length; i++)
        {
            switch (args[i])
            {
                case "--only":
                    while (i + 1 < args.Length && !args[i + 1].StartsWith('-')) only.AddRange(args[++i].Split(',', StringSplitOptions.RemoveEmptyEntries));
                    break;
                case "-o" or "--output" when i + 1 < args.Length:
                    options = options with { Json = args[++i] switch { "json" => true, "table" => false, var other => throw new ArgumentException($"-o {other}: json or table") } };
                    break;
                case "--quick":
                    options = options with { Quick = true };
                    break;
                default:
                    throw new ArgumentException($"{args[i]} is not an option; usage: bench [--only NAME…] [-o json] [--quick]; names: {string.Join(' ', Catalog.Names)}");
            }
        }

        if (only.FirstOrDefault(name => !Catalog.Names.Contains(name)) is { } unknown)
            throw new ArgumentException($"no figure is called {unknown}; there are: {string.Join(' ', Catalog.Names)}");
        return options with { Only = only };
    }
}

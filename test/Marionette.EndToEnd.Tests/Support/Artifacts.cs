namespace Marionette.EndToEnd.Tests.Support;

/// <summary>The shipped programs, as <c>./marionette</c> built them.</summary>
internal static class Artifacts
{
    public static string Root { get; } = Environment.GetEnvironmentVariable("MARIONETTE_ARTIFACTS") ?? Path.Combine(RepositoryRoot(), "artifacts");

    public static string Silo => Program("silo", "marionette-silo");

    public static string Gateway => Program("gateway", "Marionette.Gateway");

    public static string Agent => Program("agent", "marionette-agent");

    public static string Cli => Program("cli", "marionette-cli");

    /// <summary>The real Claude Code binary.</summary>
    public static string Claude => Environment.GetEnvironmentVariable("MARIONETTE_CLAUDE") is { Length: > 0 } path && File.Exists(path)
        ? path
        : throw new InvalidOperationException("MARIONETTE_CLAUDE does not name the claude binary; run the tests with ./marionette test, which installs it.");

    private static string Program(string folder, string name)
    {
        var path = Path.Combine(Root, folder, name);
        return File.Exists(path) ? path : throw new InvalidOperationException($"{path} is missing; run the tests with ./marionette test, which builds it.");
    }

    private static string RepositoryRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "global.json"))) return folder.FullName;
        throw new InvalidOperationException("The tests must run inside the repository.");
    }
}

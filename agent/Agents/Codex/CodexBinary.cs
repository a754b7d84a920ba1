using Marionette.Agent.Hosting;

namespace Marionette.Agent.Agents.Codex;

/// <summary>Finds the program itself. What npm puts into PATH is a Node script that starts it and costs 40 MB for nothing.</summary>
internal static class CodexBinary
{
    private const string Name = "codex";

    private static readonly string[] Platforms = ["codex-linux-x64", "codex-linux-arm64"];

    /// <exception cref="AgentStartException">agent_not_found.</exception>
    public static string Find(AgentConfig config, IReadOnlyDictionary<string, string> own)
    {
        var path = ChildEnvironment.SearchPath(config, own);
        var wanted = config.AgentPaths.GetValueOrDefault(Name, Name);
        if (ChildEnvironment.Find(wanted, path) is { } found)
            return Native(found) ?? found;
        var place = wanted == Name ? $"an executable named \"{Name}\" in PATH ({path})" : wanted;
        throw new AgentStartException(
            ErrorCodes.AgentNotFound, $"Codex is not installed: looked for {place}. Install it with: npm install -g @openai/codex");
    }

    // …/node_modules/@openai/codex/bin/codex.js has the platform's package beside or below it.
    private static string? Native(string found)
    {
        var script = File.ResolveLinkTarget(found, returnFinalTarget: true)?.FullName ?? found;
        if (!script.EndsWith(".js", StringComparison.Ordinal) || Path.GetDirectoryName(Path.GetDirectoryName(script)) is not { } package)
            return null;
        string[] roots = [Path.Combine(package, "node_modules", "@openai"), Path.GetDirectoryName(package) ?? "/"];
        return roots
            .SelectMany(_ => Platforms, (root, platform) => Path.Combine(root, platform, "vendor"))
            .Where(Directory.Exists)
            .SelectMany(Directory.EnumerateDirectories)
            .SelectMany(folder => new[] { Path.Combine(folder, "bin", Name), Path.Combine(folder, Name, Name) })
            .FirstOrDefault(File.Exists);
    }
}

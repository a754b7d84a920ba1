namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>Where things lie in a sandbox. The same as in a container.</summary>
internal static class InsidePaths
{
    public const string Workspace = "/workspace", Home = "/home/agent", State = "/var/lib/marionette";

    /// <summary>The agent's program, and folders with programs of agents.</summary>
    public const string Binaries = "/opt/marionette/bin", Tools = "/opt/marionette/tools";

    public const string Agent = Binaries + "/marionette-agent";

    /// <summary>The user that everything runs as, seen from inside.</summary>
    public const int User = 1000;

    public const string SystemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    /// <summary>The environment of the first program: nothing of the host's.</summary>
    public static IReadOnlyDictionary<string, string> Environment { get; } = new Dictionary<string, string>
    {
        ["PATH"] = SystemPath,
        ["HOME"] = Home,
        ["USER"] = "agent",
        ["LANG"] = "C.UTF-8",
        ["TMPDIR"] = "/tmp",
    };

    /// <summary>
    /// Which folder of the host is shown for a folder of programs, and which part of it holds them: links in <c>node_modules/.bin</c> lead beside it.
    /// </summary>
    public static (string Shown, string Below) OfTools(string folder)
    {
        var whole = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        return Path.GetFileName(whole) == ".bin" && Path.GetFileName(Path.GetDirectoryName(whole)) == "node_modules"
            ? (Path.GetDirectoryName(whole)!, "/.bin")
            : (whole, "");
    }

    /// <summary>Where the agent finds its folders of programs.</summary>
    public static IReadOnlyList<string> ToolsPath(IReadOnlyList<string> folders) =>
        [.. folders.Select((folder, index) => $"{Tools}/{index}{OfTools(folder).Below}")];
}

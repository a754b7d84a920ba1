using Marionette.Agent.Hosting;

namespace Marionette.Agent.Agents;

/// <summary>
/// The environment of a driven agent: a short, known one. The agent's own is not inherited, because nobody knows what a
/// provider, a shell or a service manager left in it.
/// </summary>
internal static class ChildEnvironment
{
    private const string SystemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    // What tells a program where it is and how to reach the outside; none of it is a secret of the agent's.
    private static readonly string[] Inherited =
    [
        "LANG", "LC_ALL", "TZ", "DOTNET_ROOT", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy",
        "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS",
    ];

    /// <param name="config">Folders.</param>
    /// <param name="own">The agent's own environment.</param>
    /// <param name="extra">What the session asks for; wins over everything but HOME.</param>
    public static Dictionary<string, string> Create(
        AgentConfig config, IReadOnlyDictionary<string, string> own, IEnumerable<KeyValuePair<string, string>> extra)
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["PATH"] = SearchPath(config, own),
            ["LANG"] = "C.UTF-8",
            ["TERM"] = "dumb",
            ["SHELL"] = "/bin/sh",
            ["USER"] = Environment.UserName,
            ["LOGNAME"] = Environment.UserName,
            ["TMPDIR"] = own.GetValueOrDefault("TMPDIR", "/tmp"),
        };
        foreach (var name in Inherited)
        {
            if (own.TryGetValue(name, out var value))
                environment[name] = value;
        }

        foreach (var (name, value) in config.Env.Concat(extra).Where(pair => IsUsable(pair.Key, pair.Value)))
            environment[name] = value;
        environment["HOME"] = config.HomeDir;
        return environment;
    }

    /// <summary>PATH of a driven agent: the tools' folders, then the agent's own path, then the system's.</summary>
    public static string SearchPath(AgentConfig config, IReadOnlyDictionary<string, string> own) =>
        string.Join(':', config.ToolsPath.Append(own.GetValueOrDefault("PATH", SystemPath)).Where(path => path.Length > 0));

    /// <summary>Finds a program as the shell does.</summary>
    /// <returns>Its path; null when there is none that may be executed.</returns>
    public static string? Find(string name, string searchPath)
    {
        if (name.Contains('/', StringComparison.Ordinal))
            return IsExecutable(name) ? Path.GetFullPath(name) : null;
        return searchPath.Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, name))
            .FirstOrDefault(IsExecutable);
    }

    private static bool IsExecutable(string path)
    {
        const UnixFileMode any = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        try
        {
            // Follows links: the permissions of a link itself say nothing.
            var target = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
            return File.Exists(target) && (File.GetUnixFileMode(target) & any) != 0;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static bool IsUsable(string name, string value) =>
        name.Length > 0 && !name.Contains('=', StringComparison.Ordinal) && !name.Contains('\0', StringComparison.Ordinal)
        && !value.Contains('\0', StringComparison.Ordinal);
}

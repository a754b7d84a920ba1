using Marionette.Agent.Hosting;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Workspaces;

/// <summary>
/// Where a runner keeps what it saw of its folders, so that the next snapshot reads what has changed alone. A runner that goes leaves it beside the folders'
/// mark: the next one that finds them kept goes on from there. All that its loss costs is a look into every file.
/// </summary>
internal static class StatCaches
{
    public static string Workspace(AgentConfig config) => Path.Combine(config.StateDir, "workspace.stat");

    public static string Home(AgentConfig config) => Path.Combine(config.StateDir, "home.stat");

    /// <summary>Behind a runner's last snapshot.</summary>
    public static void Leave(AgentConfig config, ILogger log)
    {
        foreach (var (own, left) in Pairs(config))
            Move(own, left, log);
    }

    /// <summary>Before a runner's first run.</summary>
    /// <param name="areOurs">The folders go on as the session's last runner left them; otherwise what was left says nothing of them.</param>
    public static void Take(AgentConfig config, bool areOurs, ILogger log)
    {
        foreach (var (own, left) in Pairs(config))
        {
            if (areOurs)
                Move(left, own, log);
            else
                Delete(left, log);
        }
    }

    // Their names begin as the mark's does: they come into no snapshot.
    private static (string Own, string Left)[] Pairs(AgentConfig config) =>
    [
        (Workspace(config), Path.Combine(config.HomeDir, FolderMark.FileName + ".workspace")),
        (Home(config), Path.Combine(config.HomeDir, FolderMark.FileName + ".home")),
    ];

    private static void Move(string from, string to, ILogger log)
    {
        try
        {
            // Two disks, often: a copy that breaks off is no cache, which its checksum tells.
            if (File.Exists(from))
                File.Move(from, to, overwrite: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            log.StatCacheLost(exception.Message);
        }
    }

    private static void Delete(string path, ILogger log)
    {
        try
        {
            if (File.Exists(path))
                File.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            log.StatCacheLost(exception.Message);
        }
    }
}

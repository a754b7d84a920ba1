using System.Runtime.Versioning;
using System.Security.Cryptography;

namespace Marionette.Silo.Database.Embedded;

/// <summary>
/// Finds a place for the cluster that the server's user can reach. That is the data folder itself, made passable if
/// need be. If a folder above it is closed (such as /root), the cluster goes under the fallback root, and a pointer
/// in the data folder names it: the pointer, not the path, ties the two together, so a data folder that was deleted
/// and made again never finds an old cluster.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed partial class ClusterPlacement(
    EmbeddedPostgresOptions options, SystemUser? server, CommandRunner run, ILogger logger)
{
    private const string PointerName = "postgres.location";

    // What others may do with a folder they have to pass: nothing but pass.
    private const UnixFileMode Passable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute |
        UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    public async Task<ClusterLayout> PrepareAsync(CancellationToken cancellationToken)
    {
        var root = await RootAsync(Path.GetFullPath(options.DataDirectory), cancellationToken);
        var layout = new ClusterLayout(root, await SocketDirectoryAsync(root, cancellationToken));
        await MakeServerFolderAsync(layout.ClusterDirectory, cancellationToken);
        await MakeServerFolderAsync(layout.LogDirectory, cancellationToken);
        await MakeServerFolderAsync(layout.SocketDirectory, cancellationToken);
        Make(layout.ConfigurationDirectory, Passable | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        return layout;
    }

    private async Task<string> RootAsync(string data, CancellationToken cancellationToken)
    {
        if (!Directory.Exists(data)) Make(data, server is null ? Private : Passable);
        var pointer = Path.Combine(data, PointerName);
        if (File.Exists(pointer))
        {
            var elsewhere = (await File.ReadAllTextAsync(pointer, cancellationToken)).Trim();
            return Directory.Exists(elsewhere) ? elsewhere : throw new EmbeddedPostgresException(
                $"{pointer} names the database {elsewhere}, which is gone: restore it, or delete the pointer to start " +
                "with an empty database.");
        }

        var inside = Path.Combine(data, "postgres");
        var existed = Directory.Exists(inside);
        if (!existed) Make(inside, server is null ? Private : Passable);
        if (server is null || await ReachableAsync(data, inside, cancellationToken)) return inside;
        if (existed && Directory.EnumerateFileSystemEntries(inside).Any())
        {
            throw new EmbeddedPostgresException(
                $"User {server.Name} can no longer reach the database in {inside}: run `chmod o+x` on the folders above it.");
        }

        Directory.Delete(inside);
        return await ElsewhereAsync(data, pointer, cancellationToken);
    }

    /// <summary>
    /// Whether the server's user reaches the folder, after opening the data folder, which is ours, for passing.
    /// </summary>
    private async Task<bool> ReachableAsync(string data, string inside, CancellationToken cancellationToken)
    {
        if (await PassesAsync(inside, cancellationToken)) return true;
        var before = File.GetUnixFileMode(data);
        File.SetUnixFileMode(data, before | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        if (await PassesAsync(inside, cancellationToken)) return true;
        File.SetUnixFileMode(data, before);
        return false;
    }

    // The kernel knows best: access lists, mounts and name spaces included.
    private async Task<bool> PassesAsync(string folder, CancellationToken cancellationToken) =>
        (await run.RunAsServerAsync("test", ["-x", folder], cancellationToken)).ExitCode == 0;

    private async Task<string> ElsewhereAsync(string data, string pointer, CancellationToken cancellationToken)
    {
        var fallback = Path.GetFullPath(options.FallbackRoot);
        if (!Directory.Exists(fallback)) Make(fallback, Passable);
        var name = ClusterLayout.ShortName(data);
        foreach (var orphan in Directory.EnumerateDirectories(fallback, name + "-*")) LogOrphan(logger, data, orphan);

        var root = Path.Combine(fallback, $"{name}-{RandomNumberGenerator.GetHexString(8, lowercase: true)}");
        Make(root, Passable);
        if (!await PassesAsync(root, cancellationToken))
        {
            Directory.Delete(root);
            throw new EmbeddedPostgresException(
                $"User {server!.Name} can reach neither {data} nor {fallback}: run `chmod o+x` on the folders above one of them.");
        }

        await File.WriteAllTextAsync(pointer, root + "\n", cancellationToken);
        LogElsewhere(logger, server!.Name, data, root);
        return root;
    }

    /// <summary>In the root if the address fits; else in a folder that nobody else can have made before us.</summary>
    private async Task<string> SocketDirectoryAsync(string root, CancellationToken cancellationToken)
    {
        var inside = Path.Combine(root, "run");
        if (ClusterLayout.FitsSocketAddress(inside)) return inside;

        var userId = SystemUser.CurrentUserId();
        var parent = server is not null ? "/run/marionette" : $"/tmp/marionette-{userId}";
        Directory.CreateDirectory(parent, server is not null ? Passable : Private);
        var owner = await CommandRunner.RunAsync("stat", ["-c", "%u %F", parent], cancellationToken);
        if (owner.Output.Trim() != $"{userId} directory")
        {
            throw new EmbeddedPostgresException(
                $"{parent} belongs to someone else, and the path {inside} is too long for a socket: choose a data folder with a shorter path.");
        }

        File.SetUnixFileMode(parent, server is not null ? Passable : Private);
        return Path.Combine(parent, ClusterLayout.ShortName(root));
    }

    // Twice, because the process' umask may take away what the creation asks for.
    private static void Make(string folder, UnixFileMode mode)
    {
        Directory.CreateDirectory(folder, mode);
        File.SetUnixFileMode(folder, mode);
    }

    private async Task MakeServerFolderAsync(string folder, CancellationToken cancellationToken)
    {
        string[] owner = server is null ? [] : ["-o", server.UserId, "-g", server.GroupId];
        var made = await CommandRunner.RunAsync("install", ["-d", "-m", "0700", .. owner, folder], cancellationToken);
        if (made.ExitCode != 0) throw new EmbeddedPostgresException($"Cannot make {folder}: {made.Said}");
    }

    [LoggerMessage(8121, LogLevel.Warning,
        "User {User} cannot reach {DataDirectory}, so the database lives in {Location}",
        EventName = "database.embedded.elsewhere")]
    private static partial void LogElsewhere(ILogger logger, string user, string dataDirectory, string location);

    [LoggerMessage(8122, LogLevel.Warning,
        "An earlier folder {DataDirectory} had its database in {Orphan}, which nothing uses any more: delete it when you do not need it",
        EventName = "database.embedded.orphan")]
    private static partial void LogOrphan(ILogger logger, string dataDirectory, string orphan);
}

using System.Security.Cryptography;
using Marionette.Bench.Measuring;

namespace Marionette.Bench.Workspaces;

/// <summary>A program that stores snapshots of a folder: ours, or a peer of the field. Each with the options that its own documentation begins with.</summary>
internal abstract class StoreTool(string folder) : IAsyncDisposable
{
    private readonly Dictionary<string, string> _variables = [];

    protected string Folder => folder;

    /// <summary>Where the stored bytes lie.</summary>
    public string Store => Path.Combine(folder, "store");

    public abstract Task InitAsync(CancellationToken cancellationToken);

    public abstract Task<ProcessCost> SnapshotAsync(string tree, CancellationToken cancellationToken);

    public abstract Task<ProcessCost> RestoreAsync(string target, CancellationToken cancellationToken);

    public long StoredBytes() => new DirectoryInfo(Store).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length);

    public ValueTask DisposeAsync()
    {
        Directory.Delete(folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    protected void Set(string name, string value) => _variables[name] = value;

    protected Task<ProcessCost> RunAsync(string program, string directory, CancellationToken cancellationToken, params string[] arguments) =>
        ProcessCost.RunAsync(program, arguments, _variables, directory, cancellationToken);
}

/// <summary>The published agent.</summary>
internal sealed class AgentStore(string folder, string artifacts) : StoreTool(folder)
{
    private readonly string _program = Path.Combine(artifacts, "agent", "marionette-agent");

    private string[] Common => ["--store", Store, "--master-key", Path.Combine(Folder, "key")];

    public override Task InitAsync(CancellationToken cancellationToken) => File.WriteAllBytesAsync(Path.Combine(Folder, "key"), RandomNumberGenerator.GetBytes(32), cancellationToken);

    public override Task<ProcessCost> SnapshotAsync(string tree, CancellationToken cancellationToken) =>
        RunAsync(_program, Folder, cancellationToken, ["workspace", "snapshot", tree, "--cache", Path.Combine(Folder, "cache"), .. Common]);

    public override Task<ProcessCost> RestoreAsync(string target, CancellationToken cancellationToken) => RunAsync(_program, Folder, cancellationToken, ["workspace", "restore", "latest", "--to", target, .. Common]);
}

/// <summary>restic, with its defaults.</summary>
internal sealed class ResticStore(string folder) : StoreTool(folder)
{
    public override Task InitAsync(CancellationToken cancellationToken)
    {
        Set("RESTIC_PASSWORD", "bench");
        Set("RESTIC_REPOSITORY", Store);
        Set("RESTIC_CACHE_DIR", Path.Combine(Folder, "cache"));
        return RunAsync("restic", Folder, cancellationToken, "init", "--quiet");
    }

    public override Task<ProcessCost> SnapshotAsync(string tree, CancellationToken cancellationToken) => RunAsync("restic", Folder, cancellationToken, "backup", "--quiet", tree);

    public override Task<ProcessCost> RestoreAsync(string target, CancellationToken cancellationToken) => RunAsync("restic", Folder, cancellationToken, "restore", "--quiet", "latest", "--target", target);
}

/// <summary>borg, encrypted, with its default compression.</summary>
internal sealed class BorgStore(string folder) : StoreTool(folder)
{
    private int _number;

    public override Task InitAsync(CancellationToken cancellationToken)
    {
        Set("BORG_PASSPHRASE", "bench");
        Set("BORG_BASE_DIR", Path.Combine(Folder, "base"));
        return RunAsync("borg", Folder, cancellationToken, "init", "-e", "repokey", Store);
    }

    public override Task<ProcessCost> SnapshotAsync(string tree, CancellationToken cancellationToken) => RunAsync("borg", Folder, cancellationToken, "create", $"{Store}::s{++_number}", tree);

    public override Task<ProcessCost> RestoreAsync(string target, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(target);
        return RunAsync("borg", target, cancellationToken, "extract", $"{Store}::s{_number}");
    }
}

using System.Text;

namespace Marionette.Workspaces.Tests.Support;

/// <summary>A folder that goes with the test.</summary>
internal sealed class TempFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("marionette-ws-").FullName;

    public string this[string below] => System.IO.Path.Combine(Path, below);

    public string Folder(string below) => Directory.CreateDirectory(this[below]).FullName;

    public TempFolder Write(string below, byte[] content)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(this[below])!);
        File.WriteAllBytes(this[below], content);
        return this;
    }

    public TempFolder Write(string below, string content) => Write(below, Encoding.UTF8.GetBytes(content));

    public void Dispose()
    {
        foreach (var folder in Directory.EnumerateDirectories(Path, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0, IgnoreInaccessible = true }))
            if (Directory.Exists(folder) && new DirectoryInfo(folder).LinkTarget is null)
                File.SetUnixFileMode(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        // The base library cannot name what is no UTF-8.
        SafeFolder.RemoveTree(Libc.AtCwd, Encoding.UTF8.GetBytes(Path), Path);
    }
}

/// <summary>A store in memory with keys, and two folders.</summary>
internal sealed class World : IDisposable
{
    public World(TimeProvider? clock = null)
    {
        Clock = clock ?? TimeProvider.System;
        Blobs = new MemoryBlobStore(Clock);
        Store = new WorkspaceStore(Blobs, Keys, Clock);
    }

    public TimeProvider Clock { get; }

    public TempFolder Temp { get; } = new();

    public TempFolder Tree { get; } = new();

    public MemoryBlobStore Blobs { get; }

    public TenantKeys Keys { get; } = TenantKeys.New();

    public WorkspaceStore Store { get; }

    public CancellationToken Token => TestContext.Current.CancellationToken;

    public string Cache => Temp["cache"];

    public Task<SnapshotReport> SnapshotAsync(bool cache = false) => Store.SnapshotAsync(Tree.Path, new SnapshotOptions { CacheFile = cache ? Cache : null, Workers = 2 }, Token);

    public async Task<string> RestoreAsync(string id, RestoreOptions? options = null)
    {
        var target = Temp["restored-" + Guid.NewGuid().ToString("n")];
        await Store.RestoreAsync(id, target, options ?? new RestoreOptions(), Token);
        return target;
    }

    public void Dispose()
    {
        Temp.Dispose();
        Tree.Dispose();
    }
}

/// <summary>Says a tree as lines, for comparison: path, kind, mode, time, target, content.</summary>
internal static class TreeText
{
    public static string[] Of(string folder, bool times = true) =>
        [.. new DirectoryInfo(folder).EnumerateFileSystemInfos("*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 })
            .Select(info => Line(folder, info, times)).Prepend(times ? $". {File.GetUnixFileMode(folder)} {Directory.GetLastWriteTimeUtc(folder).Ticks}" : ".").Order(StringComparer.Ordinal)];

    private static string Line(string root, FileSystemInfo info, bool times)
    {
        var path = Path.GetRelativePath(root, info.FullName);
        if (info.LinkTarget is { } target)
            return $"{path} -> {target}{(times ? " " + info.LastWriteTimeUtc.Ticks : "")}";
        var rest = $"{info.UnixFileMode}{(times ? " " + info.LastWriteTimeUtc.Ticks : "")}";
        return info is FileInfo ? $"{path} {rest} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(info.FullName)))}" : $"{path}/ {rest}";
    }
}

/// <summary>Bytes that are the same in every run.</summary>
internal static class Bytes
{
    public static byte[] Random(int seed, int count)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public static byte[] Text(int seed, int count)
    {
        var random = new Random(seed);
        var words = Enumerable.Range(0, 500).Select(_ => new string([.. Enumerable.Range(0, random.Next(2, 9)).Select(_ => (char)random.Next('a', 'z'))])).ToArray();
        var text = new StringBuilder();
        while (text.Length < count)
            text.Append(words[random.Next(words.Length)]).Append(random.Next(12) == 0 ? '\n' : ' ');
        return Encoding.ASCII.GetBytes(text.ToString(0, count));
    }
}

using System.Text;

namespace Marionette.Workspaces;

/// <summary>A folder that is being restored: begun by one worker, ended by whoever ends its last subfolder, because only then its time stays.</summary>
internal sealed class FolderRestore(FolderRestore? parent, TreeEntry entry, byte[] path)
{
    private int _pending = 1;

    public FolderRestore? Parent => parent;

    public TreeEntry Entry => entry;

    public byte[] Path => path;

    public string PathText => Encoding.UTF8.GetString(path);

    public int Depth { get; } = parent is null ? 0 : parent.Depth + 1;

    public int Descriptor { get; set; } = -1;

    /// <summary>Kept when a stat cache is filled.</summary>
    public List<TreeEntry> Entries { get; } = [];

    public void Expect(int more) => Interlocked.Add(ref _pending, more);

    public bool EndOne() => Interlocked.Decrement(ref _pending) == 0;

    public byte[] Below(byte[] name) => path.Length == 0 ? name : [.. path, (byte)'/', .. name];
}

/// <summary>What all workers of a restore share.</summary>
internal sealed class RestoreWork(RestoreOptions options, int root, StatCacheWriter? cache)
{
    private const int Kept = 1000, ProgressEvery = 256;

    private readonly List<(string, string)> _differences = [];
    private readonly Lock _gate = new();
    private long _files, _directories, _links, _bytes;

    public RestoreOptions Options => options;

    /// <summary>Descriptor of the folder that is restored to.</summary>
    public int Root => root;

    public StatCacheWriter? Cache => cache;

    public WorkQueue<FolderRestore> Queue { get; } = new();

    /// <summary>Where the first link of each group was written; its waiters get null when it failed.</summary>
    public System.Collections.Concurrent.ConcurrentDictionary<ulong, LinkGroup> Groups { get; } = new();

    /// <summary>Counts before anything is written.</summary>
    public void Count(TreeEntry entry)
    {
        var files = entry.Type == EntryType.File ? Interlocked.Increment(ref _files) : Interlocked.Read(ref _files);
        var directories = entry.Type == EntryType.Directory ? Interlocked.Increment(ref _directories) : Interlocked.Read(ref _directories);
        var links = entry.Type == EntryType.Link ? Interlocked.Increment(ref _links) : Interlocked.Read(ref _links);
        if (files + directories + links > options.MaxEntries)
            throw new WorkspaceException(WorkspaceFault.Limit, $"The snapshot has more than {options.MaxEntries} entries.");
        var bytes = Interlocked.Add(ref _bytes, entry.Size);
        if (bytes > options.MaxBytes || bytes < 0)
            throw new WorkspaceException(WorkspaceFault.Limit, $"The snapshot has more than {options.MaxBytes} bytes.");
        if (options.Progress is { } progress && entry.Type == EntryType.File && files % ProgressEvery == 0)
            progress.Report((files, bytes));
    }

    public void Differs(byte[] path, string what)
    {
        lock (_gate)
            if (_differences.Count < Kept)
                _differences.Add((Encoding.UTF8.GetString(path), what));
    }

    public RestoreReport ToReport() => new() { Files = _files, Directories = _directories, Links = _links, Bytes = _bytes, Differences = _differences };
}

/// <summary>A group of hard links.</summary>
internal sealed class LinkGroup(TreeEntry first)
{
    public TreeEntry First => first;

    /// <summary>Path of the first link once it is written; null: it failed.</summary>
    public TaskCompletionSource<byte[]?> Written { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}

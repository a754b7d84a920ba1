namespace Marionette.Workspaces;

/// <summary>A folder on its way into a snapshot: begun by one worker, ended by whoever ends its last subfolder.</summary>
internal sealed class FolderWork(FolderWork? parent, int place, byte[] name, byte[] path, EntryStat stat)
{
    public FolderWork? Parent => parent;

    /// <summary>Its place among the parent's entries.</summary>
    public int Place => place;

    public byte[] Name => name;

    /// <summary>Below the root, without a slash in front.</summary>
    public byte[] Path => path;

    public EntryStat Stat => stat;

    public int Depth { get; } = parent is null ? 0 : parent.Depth + 1;

    public UInt128 PathKey { get; } = StatCache.PathKey(path);

    public int Descriptor { get; set; } = -1;

    public UInt128 Fingerprint { get; set; }

    /// <summary>Files had settled times, nothing failed.</summary>
    public bool IsSettled { get; set; } = true;

    /// <summary>What the cache says of this folder, when the fingerprint is the same: then there are no <see cref="Entries"/> yet.</summary>
    public CacheSection? Reused { get; set; }

    public List<EntryDraft> Entries { get; set; } = [];

    public List<FolderWork> Subfolders { get; } = [];

    public IReadOnlyList<(byte[] Name, byte[] Value)> Attributes { get; set; } = [];

    /// <summary>Set when it could not be opened: it is then not in the snapshot.</summary>
    public bool IsLost { get; set; }

    public ChunkRef Result { get; set; }

    /// <summary>The result is what the cache had.</summary>
    public bool IsUnchanged { get; set; }

    private int _pending = 1;

    public void Expect(int more) => Interlocked.Add(ref _pending, more);

    /// <returns>True for the one who ended the last thing.</returns>
    public bool EndOne() => Interlocked.Decrement(ref _pending) == 0;
}

/// <summary>An entry of a folder that is being put together.</summary>
internal struct EntryDraft
{
    public byte[] Name;
    public EntryStat Stat;
    public bool IsSettled;

    /// <summary>The entry as it is stored; a folder's is made when its own reference is known.</summary>
    public ReadOnlyMemory<byte> Encoded;

    public FolderWork? Subfolder;
}

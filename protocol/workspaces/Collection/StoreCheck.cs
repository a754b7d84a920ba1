namespace Marionette.Workspaces;

/// <summary>Something that is wrong in a store.</summary>
/// <param name="Name">The object: a pack, an index, a snapshot.</param>
/// <param name="Chunk">The chunk; null: the object as a whole.</param>
/// <param name="What">What is wrong, in words.</param>
/// <param name="Paths">What needs it: snapshot, colon, path; the first 100.</param>
public sealed record StoreDefect(string Name, ChunkId? Chunk, string What, IReadOnlyList<string> Paths);

/// <summary>What came of a check.</summary>
/// <param name="Defects">Empty: all is well.</param>
public sealed record CheckReport(int Snapshots, int Packs, long Chunks, long BytesRead, IReadOnlyList<StoreDefect> Defects);

/// <summary>
/// Checks a store: every snapshot opens and its tree can be walked; every chunk that it needs is known and its pack is there, as long as it should be, with the list that the index has. With its data,
/// every pack's bytes are held against its name and every needed chunk is opened. A defect names what needs it; other snapshots are checked on.
/// </summary>
public sealed class StoreCheck(IBlobStore blobs, IChunkIndex index, SnapshotCatalog snapshots)
{
    private const int KeptPaths = 100;

    private readonly Dictionary<ChunkId, (ChunkRef Reference, ChunkType Type)> _needed = [];
    private readonly List<(string Object, ChunkId? Chunk, string What, string? Path)> _defects = [];
    private bool _again;
    private long _bytesRead;

    /// <summary>Checks everything; only a store that cannot be read at all ends it early.</summary>
    public async Task<CheckReport> RunAsync(bool readData, CancellationToken cancellationToken)
    {
        await index.RefreshAsync(cancellationToken).ConfigureAwait(false);
        var ids = await snapshots.ListAsync(cancellationToken).ConfigureAwait(false);
        var roots = new List<(string Id, ChunkRef Root)>();
        foreach (var id in ids)
        {
            if (await TryAsync(StoreNames.Snapshots + id, null, () => snapshots.GetAsync(id, cancellationToken)).ConfigureAwait(false) is { } record)
                roots.Add((id, record.Root));
        }

        using (var chunks = new ChunkReader(blobs, index))
            foreach (var (id, root) in roots)
                await WalkAsync(new TreeReader(chunks), id, root, Need, cancellationToken).ConfigureAwait(false);
        var packs = await PacksAsync(readData, cancellationToken).ConfigureAwait(false);
        await KnownAsync(cancellationToken).ConfigureAwait(false);
        return new CheckReport(ids.Count, packs, _needed.Count, _bytesRead, await WithPathsAsync(roots, cancellationToken).ConfigureAwait(false));
    }

    private void Need(ChunkId id, ChunkRef reference, ChunkType type, string path) => _needed.TryAdd(id, (reference, type));

    /// <summary>Walks a whole snapshot; what cannot be read is noted and gone around.</summary>
    private async Task WalkAsync(TreeReader tree, string snapshot, ChunkRef root, Action<ChunkId, ChunkRef, ChunkType, string> visit, CancellationToken cancellationToken)
    {
        var open = new Stack<(ChunkRef Reference, string Path)>([(root, "")]);
        while (open.TryPop(out var at))
        {
            var id = at.Reference.ToId(ChunkType.Tree);
            var known = _needed.ContainsKey(id);
            visit(id, at.Reference, ChunkType.Tree, at.Path);
            if (known && !_again)
                continue; // first walk: shared with what was seen
            var node = await TryAsync("tree", $"{snapshot}:{at.Path}", () => tree.NodeAsync(at.Reference, at.Path, cancellationToken).AsTask(), id).ConfigureAwait(false);
            foreach (var part in node?.Parts ?? [])
                open.Push((part.Reference, at.Path));
            Items(node?.Items ?? [], node?.Level ?? 0, at.Path);
            foreach (var entry in node?.Entries ?? [])
            {
                var path = at.Path.Length == 0 ? entry.NameText : at.Path + "/" + entry.NameText;
                if (entry.Type == EntryType.Directory)
                    open.Push((entry.Subtree, path));
                else if (entry.Content is { } content)
                    Items(content.Items, content.Level, path);
            }
        }

        void Items(IReadOnlyList<ContentItem> items, int level, string path)
        {
            foreach (var item in items)
            {
                if (level > 0 && !item.IsHole)
                    open.Push((item.Reference, path));
                else if (!item.IsHole)
                    visit(item.Reference.ToId(ChunkType.Data), item.Reference, ChunkType.Data, path);
            }
        }
    }

    private async Task<int> PacksAsync(bool readData, CancellationToken cancellationToken)
    {
        var packs = await index.ListPacksAsync(cancellationToken).ConfigureAwait(false);
        using var codec = new ChunkCodec();
        foreach (var pack in packs)
        {
            var own = await TryAsync(StoreNames.Pack(pack.Name), null, () => PackReader.ReadListAsync(blobs, pack.Name, cancellationToken)).ConfigureAwait(false);
            if (own is not null && !own.Entries.SequenceEqual(pack.Entries))
                Defect(StoreNames.Pack(pack.Name), null, "the index has another list of its chunks than it has itself");
            if (readData)
                await DataAsync(pack, codec, cancellationToken).ConfigureAwait(false);
        }

        return packs.Count;
    }

    private async Task DataAsync(PackContents pack, ChunkCodec codec, CancellationToken cancellationToken)
    {
        var name = StoreNames.Pack(pack.Name);
        using var hasher = Blake3.Hasher.New();
        long offset = PackFormat.HeaderSize;
        try
        {
            hasher.Update<byte>(await blobs.ReadAllAsync(name, 0, PackFormat.HeaderSize, cancellationToken).ConfigureAwait(false));
            foreach (var entry in pack.Entries)
            {
                var stored = await blobs.ReadAllAsync(name, offset, entry.StoredLength, cancellationToken).ConfigureAwait(false);
                hasher.Update<byte>(stored);
                _bytesRead += stored.Length;
                Open(pack, entry, offset, stored, codec);
                offset += entry.StoredLength;
            }

            var rest = (int)(pack.Length - offset);
            hasher.Update<byte>(await blobs.ReadAllAsync(name, offset, rest, cancellationToken).ConfigureAwait(false));
            var hash = new byte[32];
            hasher.Finalize(hash);
            if (Convert.ToHexStringLower(hash) != pack.Name)
                Defect(name, null, "its bytes are not those that its name stands for");
        }
        catch (WorkspaceException fault) when (fault.Fault is WorkspaceFault.Corrupt or WorkspaceFault.Missing)
        {
            Defect(name, null, fault.Message);
        }
    }

    private void Open(PackContents pack, PackEntry entry, long offset, byte[] stored, ChunkCodec codec)
    {
        if (!_needed.TryGetValue(entry.Id, out var need))
            return; // nobody has its reference
        try
        {
            codec.Open(need.Reference, entry.Id, new ChunkLocation
            {
                Pack = pack.Name, Offset = offset, StoredLength = entry.StoredLength, PlainLength = entry.PlainLength, Type = entry.Type, Method = entry.Method,
            }, stored, new byte[entry.PlainLength]);
        }
        catch (WorkspaceException fault)
        {
            Defect(StoreNames.Pack(pack.Name), entry.Id, fault.Message);
        }
    }

    private async Task KnownAsync(CancellationToken cancellationToken)
    {
        var ids = _needed.Keys.ToArray();
        var found = new ChunkLocation?[ids.Length];
        await index.FindAsync(ids, found, cancellationToken).ConfigureAwait(false);
        for (var i = 0; i < ids.Length; i++)
            if (found[i] is null)
                Defect(StoreNames.Indexes, ids[i], $"Chunk {ids[i]} is not in the store.");
    }

    /// <summary>A second walk, for what was found: which files of which snapshots need it.</summary>
    private async Task<IReadOnlyList<StoreDefect>> WithPathsAsync(List<(string Id, ChunkRef Root)> roots, CancellationToken cancellationToken)
    {
        if (_defects.Count == 0)
            return [];
        var lost = new Dictionary<ChunkId, List<string>>();
        foreach (var bad in _defects.Where(defect => defect.Chunk is not null))
            lost.TryAdd(bad.Chunk!.Value, []);
        var lostPacks = _defects.Where(defect => defect.Chunk is null).Select(defect => StoreNames.Last(defect.Object)).ToHashSet(StringComparer.Ordinal);
        var inPack = new Dictionary<ChunkId, string>();
        foreach (var pack in (await index.ListPacksAsync(cancellationToken).ConfigureAwait(false)).Where(pack => lostPacks.Contains(pack.Name)))
            foreach (var entry in pack.Entries)
                inPack[entry.Id] = pack.Name;
        var byPack = lostPacks.ToDictionary(name => name, _ => new List<string>(), StringComparer.Ordinal);
        var found = _defects.ToList();
        _again = true;
        using var chunks = new ChunkReader(blobs, index);
        foreach (var (id, root) in roots)
        {
            await WalkAsync(new TreeReader(chunks), id, root, (chunk, _, _, path) =>
            {
                if (lost.TryGetValue(chunk, out var paths) && paths.Count < KeptPaths && !paths.Contains($"{id}:{path}"))
                    paths.Add($"{id}:{path}");
                if (inPack.TryGetValue(chunk, out var pack) && byPack[pack] is { Count: < KeptPaths } some && !some.Contains($"{id}:{path}"))
                    some.Add($"{id}:{path}");
            }, cancellationToken).ConfigureAwait(false);
        }

        return [.. found.DistinctBy(defect => (defect.Object, defect.Chunk)).Select(defect => new StoreDefect(
            defect.Object, defect.Chunk, defect.What, defect.Chunk is { } chunk ? lost[chunk] : byPack.GetValueOrDefault(StoreNames.Last(defect.Object)) ?? []))];
    }

    private void Defect(string name, ChunkId? chunk, string what, string? path = null) => _defects.Add((name, chunk, what, path));

    private async Task<T?> TryAsync<T>(string name, string? path, Func<Task<T>> read, ChunkId? chunk = null)
        where T : class
    {
        try
        {
            return await read().ConfigureAwait(false);
        }
        catch (WorkspaceException fault) when (fault.Fault is not WorkspaceFault.Io)
        {
            Defect(name, chunk, fault.Message, path);
            return null;
        }
    }
}

using System.Runtime.InteropServices;

namespace Marionette.Workspaces;

/// <summary>Everything that the workers of one snapshot share.</summary>
internal sealed record UploadWork(
    SnapshotOptions Options, ConvergenceKey Key, WorkQueue<FolderWork> Queue, ChunkUploader Uploader, UploadTally Tally, StatCache? Cache, bool TrustCache, StatCacheWriter? NewCache)
{
    public const int MaxDepth = 400;

    /// <summary>A batch: room for the longest chunk twice, and for many small files.</summary>
    public int BatchSize { get; } = Math.Max(2 * 1024 * 1024, Options.Sizes.Maximum * 2);

    public byte[] LeftOut { get; } = System.Text.Encoding.UTF8.GetBytes(Options.LeaveOut);

    public System.Collections.Concurrent.ConcurrentBag<CacheSection> Unchanged { get; } = [];
}

/// <summary>
/// One thread's part of a snapshot: lists folders, reads what changed, cuts and hashes it, and stores batches. A worker that has filled a batch leaves it to one that is idle, or
/// stores it itself when several wait.
/// </summary>
internal sealed class UploadWorker : IDisposable
{
    private readonly UploadWork _work;
    private readonly FolderListing _listing = new();
    private readonly UploadBuffers _buffers;
    private readonly ByteWriter _entry = new(), _section = new();
    private readonly TreeSplitter _splitter;
    private readonly FileReader _files;
    private ChunkBatch _batch;

    public UploadWorker(UploadWork work)
    {
        _work = work;
        _buffers = new UploadBuffers(work.Options.Level);
        _batch = work.Queue.Rent(work.BatchSize);
        _splitter = new TreeSplitter(work.Key.NameSeed, StageTree);
        _files = new FileReader(work, this, _splitter);
    }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var (batch, folder) = await _work.Queue.TakeAsync(cancellationToken).ConfigureAwait(false);
            if (batch is not null)
                await StoreAsync(batch, cancellationToken).ConfigureAwait(false);
            else if (folder is not null)
                await FolderAsync(folder, cancellationToken).ConfigureAwait(false);
            else
                break;
            _work.Queue.Done();
        }

        await FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Stores what the batch holds so far.</summary>
    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        await _work.Uploader.ProcessAsync(_batch, _buffers, cancellationToken).ConfigureAwait(false);
        _batch.Clear();
    }

    public void Dispose() => _buffers.Dispose();

    /// <summary>Where the next bytes of a file may be read to; at least this many.</summary>
    public Span<byte> Room(int atLeast)
    {
        if (_batch.Room < atLeast)
            Turn();
        return _batch.Buffer.AsSpan(_batch.Filled);
    }

    /// <summary>Takes the next bytes of the room as a chunk.</summary>
    public ChunkRef Take(ChunkType type, int length)
    {
        var reference = _work.Key.Reference(type, _batch.Buffer.AsSpan(_batch.Filled, length));
        _batch.Chunks.Add(new StagedChunk(reference, reference.ToId(type), type, _batch.Filled, length));
        _batch.Filled += length;
        return reference;
    }

    /// <summary>Bytes that were read beyond the last chunk go to the front of a fresh batch.</summary>
    public Span<byte> Move(int leftover)
    {
        var old = _batch;
        var from = old.Filled;
        _batch = _work.Queue.Rent(_work.BatchSize);
        old.Buffer.AsSpan(from, leftover).CopyTo(_batch.Buffer);
        _work.Queue.Push(old);
        return _batch.Buffer;
    }

    /// <summary>Keeps the number of batches that wait, and so the memory, small.</summary>
    public async ValueTask CatchUpAsync(CancellationToken cancellationToken)
    {
        while (_work.Queue.Waiting > 1 && _work.Queue.TryTakeBatch() is { } batch)
        {
            await StoreAsync(batch, cancellationToken).ConfigureAwait(false);
            _work.Queue.Done();
        }
    }

    public ChunkRef StageTree(ReadOnlySpan<byte> node)
    {
        node.CopyTo(Room(node.Length));
        return Take(ChunkType.Tree, node.Length);
    }

    private void Turn()
    {
        _work.Queue.Push(_batch);
        _batch = _work.Queue.Rent(_work.BatchSize);
    }

    private async ValueTask StoreAsync(ChunkBatch batch, CancellationToken cancellationToken)
    {
        await _work.Uploader.ProcessAsync(batch, _buffers, cancellationToken).ConfigureAwait(false);
        _work.Queue.Return(batch);
    }

    private async ValueTask FolderAsync(FolderWork folder, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (!Open(folder))
        {
            folder.IsLost = true;
            await EndAsync(folder, cancellationToken).ConfigureAwait(false);
            return;
        }

        var clock = Libc.FileClock();
        if (_listing.Read(folder.Descriptor, folder.Parent is null ? _work.LeftOut : []) is var error && error != 0)
            Lose(folder, error);
        folder.Fingerprint = _listing.Fingerprint;
        Tally(folder);
        var section = _work.Cache?.Find(folder.PathKey);
        if (_work.TrustCache && section is { IsSettled: true } && section.Fingerprint == folder.Fingerprint && section.Count == Kept())
        {
            folder.Reused = section;
            foreach (ref readonly var stat in Folders(_listing))
                folder.Subfolders.Add(Sub(folder, stat, 0));
        }
        else
        {
            await EntriesAsync(folder, section, clock, cancellationToken).ConfigureAwait(false);
        }

        Descend(folder);
        await EndAsync(folder, cancellationToken).ConfigureAwait(false);
    }

    private static ReadOnlySpan<EntryStat> Folders(FolderListing listing)
    {
        var folders = new List<EntryStat>();
        for (var i = 0; i < listing.Count; i++)
            if (listing[i].IsDirectory)
                folders.Add(listing[i]);
        return CollectionsMarshal.AsSpan(folders);
    }

    private int Kept()
    {
        var kept = 0;
        for (var i = 0; i < _listing.Count; i++)
            kept += _listing[i].IsFile || _listing[i].IsDirectory || _listing[i].IsLink ? 1 : 0;
        return kept;
    }

    private FolderWork Sub(FolderWork folder, in EntryStat stat, int place)
    {
        var name = _listing.Name(stat).ToArray();
        return new FolderWork(folder, place, name, folder.Path.Length == 0 ? name : [.. folder.Path, (byte)'/', .. name], stat);
    }

    private void Descend(FolderWork folder)
    {
        folder.Expect(folder.Subfolders.Count);
        for (var i = folder.Subfolders.Count - 1; i >= 0; i--)
            _work.Queue.Push(folder.Subfolders[i]);
    }

    private unsafe bool Open(FolderWork folder)
    {
        if (folder.Depth > UploadWork.MaxDepth)
            throw new WorkspaceException(WorkspaceFault.Limit, $"Folders are nested deeper than {UploadWork.MaxDepth}.");
        if (folder.Parent is not null)
        {
            byte[] name = [.. folder.Name, 0];
            fixed (byte* path = name)
                folder.Descriptor = Libc.OpenAt(folder.Parent.Descriptor, path, Libc.ReadOnly | Libc.Directory | Libc.NoFollow | Libc.CloseOnExec | Libc.NonBlock, 0);
            if (folder.Descriptor < 0)
            {
                var error = Marshal.GetLastPInvokeError();
                if (error != Libc.NoEntry)
                    _work.Tally.Skip(folder.Parent.Path, folder.Name, SkipReason.Unreadable, Marshal.GetPInvokeErrorMessage(error));
                return false;
            }

            _work.Queue.Opened(folder.Descriptor);
        }

        folder.Attributes = Xattrs.Read(folder.Descriptor, out var left);
        if (left is not null)
            _work.Tally.Skip(folder.Parent?.Path, folder.Name, SkipReason.Attributes, left);
        return true;
    }

    private void Lose(FolderWork folder, int error)
    {
        folder.IsSettled = false;
        _work.Tally.Skip(folder.Parent?.Path, folder.Name, SkipReason.Unreadable, Marshal.GetPInvokeErrorMessage(error));
    }

    private void Tally(FolderWork folder)
    {
        var (files, links, bytes) = (0L, 0L, 0L);
        for (var i = 0; i < _listing.Count; i++)
        {
            ref readonly var stat = ref _listing[i];
            if (stat.IsFile)
                (files, bytes) = (files + 1, bytes + (long)stat.Size);
            else if (stat.IsLink)
                links++;
            else if (!stat.IsDirectory)
                _work.Tally.Skip(folder.Path, _listing.Name(stat), SkipReason.Special, stat.Type switch { Libc.TypeSocket => "socket", Libc.TypeFifo => "pipe", _ => "device" });
        }

        _work.Tally.Folder(files, links, bytes, () => _work.Uploader.BytesStored);
    }

    private async ValueTask EntriesAsync(FolderWork folder, CacheSection? section, long clock, CancellationToken cancellationToken)
    {
        var (at, left, has, cached) = (StatCache.SectionHead, section?.Count ?? 0, false, default(CachedEntry));
        foreach (var index in _listing.Sorted().ToArray())
        {
            var stat = _listing[index];
            if (!stat.IsFile && !stat.IsDirectory && !stat.IsLink)
                continue;
            var name = _listing.Name(stat).ToArray();
            // Both are sorted: the cached entry of the same name is found by going along.
            while (left > 0 || has)
            {
                if (!has)
                    (cached, has, left) = (section!.Read(ref at), true, left - 1);
                if (cached.Name.SequenceCompareTo(name) >= 0)
                    break;
                has = false;
            }

            var same = has && cached.Name.SequenceEqual(name) && cached.IsSettled && cached.Stat.IsSameAs(stat) && cached.Type == TypeOf(stat);
            var draft = new EntryDraft { Name = name, Stat = stat, IsSettled = stat.IsSettled(clock) };
            if (stat.IsDirectory)
            {
                draft.Subfolder = Sub(folder, stat, folder.Entries.Count);
                folder.Subfolders.Add(draft.Subfolder);
            }
            else if (same && await IsStoredAsync(cached.Encoded, cancellationToken).ConfigureAwait(false))
            {
                draft.Encoded = cached.Encoded;
            }
            else
            {
                var read = stat.IsFile ? await _files.ReadAsync(folder, name, stat, cancellationToken).ConfigureAwait(false) : _files.ReadLink(folder, name, stat);
                if (read is not { } done)
                    continue;
                _entry.Clear();
                EntryCodec.Write(_entry, done.Entry);
                (draft.Encoded, draft.Stat, draft.IsSettled) = (_entry.Written.ToArray(), done.Stat, done.IsSettled);
                await CatchUpAsync(cancellationToken).ConfigureAwait(false);
            }

            folder.IsSettled &= stat.IsDirectory || draft.IsSettled;
            folder.Entries.Add(draft);
        }
    }

    private static EntryType TypeOf(in EntryStat stat) => stat.IsFile ? EntryType.File : stat.IsDirectory ? EntryType.Directory : EntryType.Link;

    /// <summary>When the snapshot of the cache is gone, or a collection is about to delete packs, each reference is looked up; what lies in lists of lists is read again instead.</summary>
    private async ValueTask<bool> IsStoredAsync(ReadOnlyMemory<byte> encoded, CancellationToken cancellationToken)
    {
        if (_work.TrustCache)
            return true;
        var reader = new ByteReader(encoded.Span, "The stat cache");
        if (EntryCodec.Read(ref reader).Content is not { Inline: null } content)
            return true;
        if (content.Level > 0)
            return false;
        var ids = content.Items.Where(item => !item.IsHole).Select(item => item.Reference.ToId(ChunkType.Data)).ToArray();
        return await _work.Uploader.HasAllAsync(ids, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Ends a folder whose last part has come, and then maybe its parent, and so on.</summary>
    private async ValueTask EndAsync(FolderWork? folder, CancellationToken cancellationToken)
    {
        for (; folder is not null && folder.EndOne(); folder = folder.Parent)
        {
            if (!folder.IsLost)
                Finish(folder);
            if (folder.Parent is not null && folder.Descriptor >= 0)
                _work.Queue.Close(folder.Descriptor);
            await CatchUpAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private void Finish(FolderWork folder)
    {
        if (folder.Reused is { } section)
        {
            if (folder.Subfolders.TrueForAll(sub => sub.IsUnchanged))
            {
                (folder.Result, folder.IsUnchanged) = (section.Reference, true);
                _work.Unchanged.Add(section);
                return;
            }

            TakeFromCache(folder, section);
        }

        var encoded = new List<(byte[] Name, ReadOnlyMemory<byte> Encoded)>(folder.Entries.Count);
        if (folder.Entries.RemoveAll(entry => entry.Subfolder is { IsLost: true }) > 0)
            folder.IsSettled = false;
        foreach (ref var entry in CollectionsMarshal.AsSpan(folder.Entries))
        {
            if (entry.Subfolder is { } sub)
                entry.Encoded = WithSubtree(sub, entry.Encoded);
            encoded.Add((entry.Name, entry.Encoded));
        }

        folder.Result = _splitter.Directory(encoded);
        Remember(folder);
        folder.Entries = []; // memory: a wide tree has many ended folders
        folder.Subfolders.Clear();
    }

    /// <summary>An unchanged folder with a changed one in it: its entries are those of the cache.</summary>
    private static void TakeFromCache(FolderWork folder, CacheSection section)
    {
        var subs = folder.Subfolders.ToDictionary(sub => Convert.ToHexString(sub.Name), StringComparer.Ordinal);
        for (var (at, i) = (StatCache.SectionHead, 0); i < section.Count; i++)
        {
            var cached = section.Read(ref at);
            var name = cached.Name.ToArray();
            folder.Entries.Add(new EntryDraft
            {
                Name = name, Stat = cached.Stat, IsSettled = true, Encoded = cached.Encoded, Subfolder = cached.Type == EntryType.Directory ? subs.GetValueOrDefault(Convert.ToHexString(name)) : null,
            });
        }
    }

    private byte[] WithSubtree(FolderWork sub, ReadOnlyMemory<byte> old)
    {
        if (!old.IsEmpty && !sub.IsLost && sub.Parent!.Reused is not null)
        {
            var copy = old.ToArray();
            sub.Result.CopyTo(copy.AsSpan(copy.Length - ChunkRef.Size)); // a folder's entry ends with its reference
            return copy;
        }

        _entry.Clear();
        EntryCodec.Write(_entry, ToEntry(sub, sub.Name, _work.Options.KeepOwner));
        return _entry.Written.ToArray();
    }

    public static TreeEntry ToEntry(FolderWork folder, byte[] name, bool keepOwner) => new()
    {
        Name = name, Type = EntryType.Directory, Mode = (int)folder.Stat.Mode, Modified = folder.Stat.Modified, Attributes = folder.Attributes,
        Owner = keepOwner ? (folder.Stat.User, folder.Stat.Group) : null, Subtree = folder.Result,
    };

    private void Remember(FolderWork folder)
    {
        if (_work.NewCache is not { } cache)
            return;
        StatCacheWriter.Begin(_section, folder.PathKey, folder.Fingerprint, folder.IsSettled, folder.Result, folder.Entries.Count);
        foreach (var entry in folder.Entries)
            StatCacheWriter.Entry(_section, entry.Stat, entry.IsSettled, entry.Encoded.Span);
        cache.Add(_section.Written);
    }
}

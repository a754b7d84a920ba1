using System.Text;

namespace Marionette.Workspaces;

/// <summary>One thread's part of a restore.</summary>
internal sealed class RestoreWorker(RestoreWork work, ChunkReader chunks) : IDisposable
{
    private const int SetIdBits = 0xc00; // set-user-id, set-group-id

    private readonly TreeReader _tree = new(chunks);
    private readonly FolderListing _listing = new();
    private readonly ByteWriter _entry = new(), _section = new();

    private RestoreOptions Options => work.Options;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (await work.Queue.TakeAsync(cancellationToken).ConfigureAwait(false) is { Folder: { } folder })
        {
            await FolderAsync(folder, cancellationToken).ConfigureAwait(false);
            work.Queue.Done();
        }
    }

    public void Dispose() => chunks.Dispose();

    private async ValueTask FolderAsync(FolderRestore folder, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (folder.Depth > Math.Min(Options.MaxDepth, UploadWork.MaxDepth))
            throw new WorkspaceException(WorkspaceFault.Limit, $"Folders of the snapshot are nested deeper than {Options.MaxDepth}.");
        if (folder.Parent is not null)
        {
            folder.Descriptor = SafeFolder.MakeFolder(folder.Parent.Descriptor, folder.Entry.Name, Options.Existing, folder.PathText);
            work.Queue.Opened(folder.Descriptor);
        }

        var subfolders = new List<FolderRestore>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        await foreach (var entry in _tree.EntriesAsync(folder.Entry.Subtree, folder.PathText, cancellationToken).ConfigureAwait(false))
        {
            cancellationToken.ThrowIfCancellationRequested();
            work.Count(entry);
            if (work.Cache is not null)
                folder.Entries.Add(entry);
            if (Options.Existing == ExistingEntries.Mirror)
                names.Add(Convert.ToHexString(entry.Name));
            if (entry.Type == EntryType.Directory)
                subfolders.Add(new FolderRestore(folder, entry, folder.Below(entry.Name)));
            else
                await EntryAsync(folder.Descriptor, folder.Below(entry.Name), entry, cancellationToken).ConfigureAwait(false);
        }

        if (Options.Existing == ExistingEntries.Mirror)
            RemoveOthers(folder, names);
        folder.Expect(subfolders.Count);
        for (var i = subfolders.Count - 1; i >= 0; i--)
            work.Queue.Push(subfolders[i]);
        End(folder);
    }

    /// <summary>Restores a file or a link.</summary>
    public async ValueTask EntryAsync(int dir, byte[] path, TreeEntry entry, CancellationToken cancellationToken)
    {
        if (entry.Type == EntryType.Link)
        {
            SafeFolder.CreateLink(dir, entry.Name, entry.Target!, Options.Existing, Encoding.UTF8.GetString(path));
            Own(dir, entry.Name, path, entry);
            SafeFolder.SetLinkTimes(dir, entry.Name, entry.Modified);
            return;
        }

        if (entry.LinkGroup == 0)
        {
            await FileAsync(dir, path, entry, cancellationToken).ConfigureAwait(false);
            return;
        }

        var own = new LinkGroup(entry);
        var group = work.Groups.GetOrAdd(entry.LinkGroup, own);
        if (group == own)
        {
            byte[]? written = null;
            try
            {
                await FileAsync(dir, path, entry, cancellationToken).ConfigureAwait(false);
                written = path;
            }
            finally
            {
                group.Written.SetResult(written);
            }

            return;
        }

        // Its writer is at work now, on another thread or before on this one; it never waits for us.
        var first = await group.Written.Task.ConfigureAwait(false);
        if (first is not null && IsSameFile(group.First, entry) && SafeFolder.TryHardLink(work.Root, first, dir, entry.Name, Options.Existing, Encoding.UTF8.GetString(path)))
            return;
        work.Differs(path, "restored as a copy, not as a hard link");
        await FileAsync(dir, path, entry, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A false snapshot may call two files one.</summary>
    public static bool IsSameFile(TreeEntry first, TreeEntry other) =>
        first.Size == other.Size && first.Mode == other.Mode && first.Modified == other.Modified && first.Content!.Level == other.Content!.Level
        && first.Content.Items.SequenceEqual(other.Content.Items) && (first.Content.Inline ?? []).AsSpan().SequenceEqual(other.Content.Inline ?? []);

    private async ValueTask FileAsync(int dir, byte[] path, TreeEntry entry, CancellationToken cancellationToken)
    {
        var text = Encoding.UTF8.GetString(path);
        var fd = SafeFolder.CreateFile(dir, entry.Name, Options.Existing, text);
        try
        {
            await ContentAsync(fd, entry.Content!, text, cancellationToken).ConfigureAwait(false);
            if (Xattrs.Write(fd, entry.Attributes) is { } failed)
                work.Differs(path, $"attribute {failed} could not be set");
            Own(fd, [], path, entry);
            var mode = Options.KeepSetId ? entry.Mode : entry.Mode & ~SetIdBits;
            if (mode != entry.Mode)
                work.Differs(path, "set-user-id or set-group-id was dropped");
            if (Libc.Chmod(fd, (uint)mode) != 0)
                work.Differs(path, "mode could not be set");
            SafeFolder.SetTimes(fd, entry.Modified);
        }
        finally
        {
            Libc.Close(fd);
        }
    }

    private async ValueTask ContentAsync(int fd, FileContent content, string path, CancellationToken cancellationToken)
    {
        if (content.Inline is not null)
        {
            Libc.WriteAll(fd, content.Inline, 0, path);
            return;
        }

        long at = 0;
        var endsInHole = false;
        await foreach (var item in _tree.ItemsAsync(content, path, cancellationToken).ConfigureAwait(false))
        {
            endsInHole = item.IsHole;
            if (!item.IsHole)
            {
                try
                {
                    Libc.WriteAll(fd, (await chunks.ReadAsync(item.Reference, ChunkType.Data, item.Length, cancellationToken).ConfigureAwait(false)).Span, at, path);
                }
                catch (WorkspaceException fault) when (fault.Fault is WorkspaceFault.Corrupt or WorkspaceFault.Missing)
                {
                    throw new WorkspaceException(fault.Fault, $"{fault.Message} Needed for '{path}'.", fault);
                }
            }

            at += item.Length;
        }

        if (endsInHole && Libc.Truncate(fd, at) != 0)
            throw Libc.Failure(path);
    }

    private void Own(int dir, byte[] name, byte[] path, TreeEntry entry)
    {
        if (Options.KeepOwner && entry.Owner is { } owner && !SafeFolder.SetOwner(dir, name, owner))
            work.Differs(path, "owner could not be set");
    }

    private void RemoveOthers(FolderRestore folder, HashSet<string> names)
    {
        if (_listing.Read(folder.Descriptor) is var error && error != 0)
            throw Libc.Failure(folder.PathText, error);
        var others = new List<byte[]>();
        for (var i = 0; i < _listing.Count; i++)
            if (_listing.Name(_listing[i]).ToArray() is var name && !names.Contains(Convert.ToHexString(name)))
                others.Add(name);
        others.ForEach(name => SafeFolder.RemoveTree(folder.Descriptor, name, folder.PathText));
    }

    private void End(FolderRestore? folder)
    {
        for (; folder is not null && folder.EndOne(); folder = folder.Parent)
        {
            if (Xattrs.Write(folder.Descriptor, folder.Entry.Attributes) is { } failed)
                work.Differs(folder.Path, $"attribute {failed} could not be set");
            Own(folder.Descriptor, [], folder.Path, folder.Entry);
            Libc.Chmod(folder.Descriptor, (uint)folder.Entry.Mode);
            SafeFolder.SetTimes(folder.Descriptor, folder.Entry.Modified);
            if (work.Cache is not null)
                Remember(folder);
            if (folder.Parent is not null)
                work.Queue.Close(folder.Descriptor);
        }
    }

    /// <summary>What the file system says now is what the next snapshot will compare with.</summary>
    private void Remember(FolderRestore folder)
    {
        // The restore waits at its end until a later change must show. Files may be stamped by a finer clock than this one, a tick ahead.
        var clock = Libc.FileClock() + (2 * EntryStat.Tick);
        if (_listing.Read(folder.Descriptor) != 0 || _listing.Count != folder.Entries.Count)
            return;
        var order = _listing.Sorted();
        var settled = new bool[order.Length];
        for (var i = 0; i < order.Length; i++)
        {
            ref readonly var stat = ref _listing[order[i]];
            var entry = folder.Entries[i];
            if (!_listing.Name(stat).SequenceEqual(entry.Name))
                return;
            settled[i] = stat.IsDirectory || (stat.IsSettled(clock) && (int)stat.Mode == entry.Mode && stat.Modified == entry.Modified && (!stat.IsFile || (long)stat.Size == entry.Size));
        }

        StatCacheWriter.Begin(_section, StatCache.PathKey(folder.Path), _listing.Fingerprint, Array.TrueForAll(settled, one => one), folder.Entry.Subtree, order.Length);
        for (var i = 0; i < order.Length; i++)
        {
            _entry.Clear();
            EntryCodec.Write(_entry, folder.Entries[i]);
            StatCacheWriter.Entry(_section, _listing[order[i]], settled[i], _entry.Written);
        }

        work.Cache!.Add(_section.Written);
        folder.Entries.Clear();
    }
}

using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace Marionette.Workspaces;

/// <summary>A file as it was read.</summary>
internal readonly record struct ReadEntry(TreeEntry Entry, EntryStat Stat, bool IsSettled);

/// <summary>Reads a file into chunks. Belongs to one worker, whose batch it fills.</summary>
internal sealed class FileReader(UploadWork work, UploadWorker worker, TreeSplitter splitter)
{
    private const int Attempts = 3;

    private readonly Chunker _chunker = new(work.Key.Gear, work.Options.Sizes);
    private readonly int _longest = work.Options.Sizes.Maximum;
    private readonly byte[] _tiny = new byte[EntryCodec.InlineLimit + 1];

    /// <returns>Null when it is gone, or cannot be read; then that was said.</returns>
    public async ValueTask<ReadEntry?> ReadAsync(FolderWork folder, byte[] name, EntryStat listed, CancellationToken cancellationToken)
    {
        var fd = Open(folder, name, listed);
        if (fd < 0)
            return null;
        try
        {
            for (var attempt = 1; ; attempt++)
            {
                var clock = Libc.FileClock();
                if (!EntryStat.Read(fd, "\0"u8, Libc.AtEmptyPath, out var before))
                    return Unreadable(folder, name, listed, Marshal.GetLastPInvokeError());
                var content = await ContentAsync(fd, before, cancellationToken).ConfigureAwait(false);
                if (content is null)
                    return Unreadable(folder, name, listed, Marshal.GetLastPInvokeError());
                EntryStat.Read(fd, "\0"u8, Libc.AtEmptyPath, out var after);
                var still = before.IsSameAs(after) && content.Size == (long)after.Size;
                if (!still && attempt < Attempts)
                    continue;
                if (!still)
                {
                    folder.IsSettled = false;
                    work.Tally.Skip(folder.Path, name, SkipReason.ChangedWhileRead, "kept as it was read last");
                }

                work.Tally.Read(content.Size, (long)listed.Size);
                return new ReadEntry(Entry(fd, folder, name, after, content), after, still && after.IsSettled(clock));
            }
        }
        finally
        {
            Libc.Close(fd);
        }
    }

    public unsafe ReadEntry? ReadLink(FolderWork folder, byte[] name, EntryStat stat)
    {
        byte[] terminated = [.. name, 0];
        var clock = Libc.FileClock();
        var target = new byte[EntryCodec.MaxTarget + 1];
        nint length;
        fixed (byte* path = terminated, buffer = target)
            length = Libc.ReadLinkAt(folder.Descriptor, path, buffer, (nuint)target.Length);
        if (length is <= 0 or > EntryCodec.MaxTarget)
        {
            Unreadable(folder, name, default, length < 0 ? Marshal.GetLastPInvokeError() : Libc.InvalidArgument);
            return null;
        }

        var entry = new TreeEntry
        {
            Name = name, Type = EntryType.Link, Mode = (int)stat.Mode, Modified = stat.Modified, Target = target[..(int)length], Owner = work.Options.KeepOwner ? (stat.User, stat.Group) : null,
        };
        return new ReadEntry(entry, stat, stat.IsSettled(clock));
    }

    private unsafe int Open(FolderWork folder, byte[] name, EntryStat listed)
    {
        byte[] terminated = [.. name, 0];
        int fd;
        // Not blocking: what was a file when it was listed may be a pipe by now.
        fixed (byte* path = terminated)
            fd = Libc.OpenAt(folder.Descriptor, path, Libc.ReadOnly | Libc.NoFollow | Libc.CloseOnExec | Libc.NonBlock, 0);
        if (fd < 0)
        {
            Unreadable(folder, name, listed, Marshal.GetLastPInvokeError());
            return -1;
        }

        if (EntryStat.Read(fd, "\0"u8, Libc.AtEmptyPath, out var stat) && stat.IsFile)
            return fd;
        Libc.Close(fd);
        Unreadable(folder, name, listed, Libc.NoEntry);
        return -1;
    }

    private ReadEntry? Unreadable(FolderWork folder, byte[] name, EntryStat listed, int error)
    {
        folder.IsSettled = false;
        if (listed.IsFile)
            work.Tally.Lost((long)listed.Size);
        if (error is not (Libc.NoEntry or Libc.Loop))
            work.Tally.Skip(folder.Path, name, SkipReason.Unreadable, Marshal.GetPInvokeErrorMessage(error));
        return null;
    }

    private TreeEntry Entry(int fd, FolderWork folder, byte[] name, EntryStat stat, FileContent content)
    {
        var attributes = Xattrs.Read(fd, out var left);
        if (left is not null)
            work.Tally.Skip(folder.Path, name, SkipReason.Attributes, left);
        return new TreeEntry
        {
            Name = name, Type = EntryType.File, Mode = (int)stat.Mode, Modified = stat.Modified, Attributes = attributes, Content = content,
            Owner = work.Options.KeepOwner ? (stat.User, stat.Group) : null, LinkGroup = stat.Links > 1 ? Group(stat) : 0,
        };
    }

    /// <summary>The same for all links to a file, and for no other file: an inode's number may be used again, its birth and change may not be repeated.</summary>
    private static ulong Group(in EntryStat stat)
    {
        Span<byte> bytes = stackalloc byte[32];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, stat.Inode);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[8..], stat.Device);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[16..], stat.Born);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[24..], stat.Changed);
        return Math.Max(XxHash3.HashToUInt64(bytes), 1);
    }

    /// <returns>Null with the error set.</returns>
    private async ValueTask<FileContent?> ContentAsync(int fd, EntryStat stat, CancellationToken cancellationToken)
    {
        if (stat.Size <= EntryCodec.InlineLimit)
        {
            var count = Libc.ReadFully(fd, _tiny, 0);
            if (count < 0)
                return null;
            if (count <= EntryCodec.InlineLimit)
                return new FileContent(count) { Inline = _tiny[..count] };
        }

        var items = new List<ContentItem>();
        var size = (long)stat.Size;
        if (stat.Blocks * 512 < stat.Size && stat.Size > 4096)
            size = await SparseAsync(fd, size, items, cancellationToken).ConfigureAwait(false);
        else
            size = await ExtentAsync(fd, 0, size, items, cancellationToken).ConfigureAwait(false);
        if (size < 0)
            return null;
        var (level, list) = splitter.List(items);
        return new FileContent(size) { Level = level, Items = list };
    }

    /// <summary>Data and holes in turns; each run of data is cut by itself.</summary>
    private async ValueTask<long> SparseAsync(int fd, long size, List<ContentItem> items, CancellationToken cancellationToken)
    {
        long at = 0;
        while (at < size)
        {
            var data = Libc.Seek(fd, at, Libc.SeekData);
            if (data < 0 && Marshal.GetLastPInvokeError() is Libc.InvalidArgument)
                return await ExtentAsync(fd, at, size - at, items, cancellationToken).ConfigureAwait(false) is var all and >= 0 ? at + all : -1;
            if (data < 0 || data > size)
                data = size; // nothing but hole from here
            if (data > at)
                items.Add(new ContentItem(data - at, default, true));
            if (data == size)
                return size;
            var hole = Math.Min(Libc.Seek(fd, data, Libc.SeekHole) is var end and > 0 ? end : size, size);
            var read = await ExtentAsync(fd, data, hole - data, items, cancellationToken).ConfigureAwait(false);
            if (read < 0)
                return -1;
            at = data + read;
            if (at < hole)
                return at; // it became shorter meanwhile
        }

        return at;
    }

    /// <summary>Reads a run of bytes into chunks.</summary>
    /// <returns>How many there were; -1 with the error set.</returns>
    private async ValueTask<long> ExtentAsync(int fd, long from, long length, List<ContentItem> items, CancellationToken cancellationToken)
    {
        long read = 0;
        var (unread, ended) = (0, false); // bytes behind the last chunk; whether the run has no more
        while (true)
        {
            if (!ended && unread < _longest)
            {
                // Small files lie close: no more room than the file needs is asked for.
                var need = (int)Math.Min(_longest, unread + length - read);
                var room = worker.Room(unread);
                if (room.Length < need)
                    room = unread == 0 ? worker.Room(need) : worker.Move(unread);
                var want = (int)Math.Min(room.Length - unread, length - read);
                var count = Libc.ReadFully(fd, room.Slice(unread, want), from + read);
                if (count < 0)
                    return -1;
                (read, unread) = (read + count, unread + count);
                ended = count < want || read == length;
            }

            Cut(ref unread, ended, items);
            if (ended && unread == 0)
                return read;
            await worker.CatchUpAsync(cancellationToken).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    private void Cut(ref int unread, bool ended, List<ContentItem> items)
    {
        while (unread > 0 && (ended || unread >= _longest))
        {
            var cut = _chunker.Cut(worker.Room(0)[..unread]);
            items.Add(new ContentItem(cut, worker.Take(ChunkType.Data, cut), false));
            unread -= cut;
        }
    }
}

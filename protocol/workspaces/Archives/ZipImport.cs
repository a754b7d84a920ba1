using System.IO.Compression;
using System.IO.Hashing;

namespace Marionette.Workspaces;

/// <summary>Unpacks a zip by its central directory. What the entries' own headers say must be the same, and no two entries may share bytes.</summary>
internal sealed class ZipImport(Stream archive, ImportFolder folder, ImportOptions options)
{
    private const int MaxDirectory = 64 * 1024 * 1024, Stored = 0, Deflated = 8;
    private const int FileMode = 0x1a4, FolderMode = 0x1ed;

    private readonly long _start = archive.Position, _length = archive.Length - archive.Position;
    private long _unpacked;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var (entries, end) = await DirectoryAsync(cancellationToken).ConfigureAwait(false);
        // In the order in which they lie, so that each is seen to end before the next begins.
        entries.Sort((a, b) => a.At.CompareTo(b.At));
        for (var i = 0; i < entries.Count; i++)
            await EntryAsync(entries[i], i + 1 < entries.Count ? entries[i + 1].At : end, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask EntryAsync(ZipEntry entry, long next, CancellationToken cancellationToken)
    {
        var type = Check(entry);
        var header = await BytesAsync(entry.At, ZipFormat.LocalSize, cancellationToken).ConfigureAwait(false);
        if (ZipFormat.Signature(header) != ZipFormat.Local)
            throw ImportNames.Refused(entry.Name, "the central directory says that it lies where it does not");
        var (name, extra) = (ZipFormat.Short(header, 26), ZipFormat.Short(header, 28));
        var rest = await BytesAsync(entry.At + ZipFormat.LocalSize, name + extra, cancellationToken).ConfigureAwait(false);
        ZipFormat.CheckLocal(header, rest.AsSpan(0, name), rest.AsSpan(name), entry);
        var at = entry.At + ZipFormat.LocalSize + rest.Length;
        if (entry.Packed > next - at)
            throw ImportNames.Refused(entry.Name, "it overlaps with what comes behind it");
        if ((entry.Flags & ZipEntry.HasDescriptor) != 0)
            ZipFormat.CheckDescriptor(await BytesAsync(at + entry.Packed, (int)Math.Min(24, next - at - entry.Packed),
                cancellationToken).ConfigureAwait(false), entry);
        var mode = entry.Mode == 0 ? (type == Libc.TypeDirectory ? FolderMode : FileMode) : entry.Mode & 0xfff;
        var imported = new ImportEntry(entry.Name, mode, entry.Modified) { IsOnce = true };
        folder.Tally.Announce(entry.Name, entry.Size);
        using var content = new ZipContent(archive, _start + at, entry);
        if (type == Libc.TypeDirectory)
            folder.Folder(imported);
        else if (type == Libc.TypeLink)
            folder.Link(imported, await TargetAsync(entry, content, cancellationToken).ConfigureAwait(false));
        else
            await folder.FileAsync(imported, (buffer, token) => NextAsync(content, buffer, token), cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<int> NextAsync(ZipContent content, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var count = await content.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        _unpacked += count;
        ArchiveInput.CheckRatio(_unpacked, _length, options.MaxRatio);
        return count;
    }

    private async ValueTask<byte[]> TargetAsync(ZipEntry entry, ZipContent content, CancellationToken cancellationToken)
    {
        if (entry.Size > EntryCodec.MaxTarget)
            throw ImportNames.TooMuch(entry.Name, $"the link's target has {entry.Size} bytes");
        using var target = new MemoryStream();
        var buffer = new byte[EntryCodec.MaxTarget];
        while (await NextAsync(content, buffer, cancellationToken).ConfigureAwait(false) is var count and > 0)
            target.Write(buffer, 0, count);
        folder.Tally.Other(entry.Size);
        return target.ToArray();
    }

    /// <returns>What it is.</returns>
    private static uint Check(ZipEntry entry)
    {
        if ((entry.Flags & ZipEntry.Encrypted) != 0)
            throw ImportNames.Refused(entry.Name, "it is encrypted");
        if (entry.Method is not (Stored or Deflated))
            throw ImportNames.Refused(entry.Name, $"it is packed by method {entry.Method}; stored (0) and deflated (8) are taken");
        if (entry.Method == Stored && entry.Packed != entry.Size)
            throw ImportNames.Refused(entry.Name, "it is not packed and has two sizes");
        var endsInSlash = entry.Name.Length > 0 && entry.Name[^1] == '/';
        var type = (uint)entry.Mode & Libc.TypeMask;
        type = type == 0 ? (endsInSlash ? Libc.TypeDirectory : Libc.TypeFile) : type;
        if (type is not (Libc.TypeFile or Libc.TypeDirectory or Libc.TypeLink))
            throw ImportNames.Refused(entry.Name, "it is no file, folder or link");
        if (endsInSlash != (type == Libc.TypeDirectory))
            throw ImportNames.Refused(entry.Name, "its name and its mode differ in whether it is a folder");
        if (type == Libc.TypeDirectory && entry.Size > 0)
            throw ImportNames.Refused(entry.Name, "it is a folder with content");
        return type;
    }

    private async Task<(List<ZipEntry> Entries, long At)> DirectoryAsync(CancellationToken cancellationToken)
    {
        var (at, size, count, end) = await EndAsync(cancellationToken).ConfigureAwait(false);
        if (at < 0 || size < 0 || count < 0 || at > end || size != end - at)
            throw ImportNames.Invalid("The archive is damaged, or was cut off: its central directory does not lie where it should.");
        if (count > options.MaxEntries)
            throw new WorkspaceException(WorkspaceFault.Limit, $"The archive has more than {options.MaxEntries} entries.");
        if (size > MaxDirectory)
            throw new WorkspaceException(WorkspaceFault.Limit, $"The archive's central directory has {size} bytes; at most {MaxDirectory} are taken.");
        var bytes = await BytesAsync(at, (int)size, cancellationToken).ConfigureAwait(false);
        var entries = new List<ZipEntry>();
        for (var next = 0; next < bytes.Length;)
        {
            var rest = bytes.AsSpan(next);
            if (rest.Length < ZipFormat.CentralSize || ZipFormat.Signature(rest) != ZipFormat.Central)
                throw Damaged();
            var (name, extra, comment) = ZipFormat.Lengths(rest);
            if (rest.Length - ZipFormat.CentralSize < name + extra + comment)
                throw Damaged();
            var entry = ZipFormat.ReadCentral(rest, rest.Slice(ZipFormat.CentralSize, name), rest.Slice(ZipFormat.CentralSize + name, extra));
            if (entry.At >= at)
                throw Damaged();
            entries.Add(entry);
            next += ZipFormat.CentralSize + name + extra + comment;
        }

        return entries.Count == count ? (entries, at) : throw Damaged();
    }

    /// <summary>Where the central directory lies, by the record at the archive's end.</summary>
    private async Task<(long At, long Size, long Count, long End)> EndAsync(CancellationToken cancellationToken)
    {
        var tail = await BytesAsync(Math.Max(0, _length - ZipFormat.EndSize - ZipFormat.MaxComment),
            (int)Math.Min(_length, ZipFormat.EndSize + ZipFormat.MaxComment), cancellationToken).ConfigureAwait(false);
        var found = tail.Length - ZipFormat.EndSize;
        while (found >= 0 && (ZipFormat.Signature(tail.AsSpan(found)) != ZipFormat.End
            || ZipFormat.Short(tail, found + 20) != tail.Length - found - ZipFormat.EndSize))
            found--;
        if (found < 0)
            throw ImportNames.Invalid("The archive was cut off: a zip ends with a record that is not there.");
        var record = tail.AsMemory(found);
        if ((ZipFormat.Short(record.Span, 4), ZipFormat.Short(record.Span, 6)) is not ((0, 0) or (0xffff, 0xffff)))
            throw ImportNames.Invalid("The archive is in several parts; one is taken.");
        var end = _length - tail.Length + found;
        var locator = end >= ZipFormat.LocatorSize ? await BytesAsync(end - ZipFormat.LocatorSize, ZipFormat.LocatorSize,
            cancellationToken).ConfigureAwait(false) : new byte[4];
        if (ZipFormat.Signature(locator) != ZipFormat.Locator)
            return (ZipFormat.Int(record.Span, 16), ZipFormat.Int(record.Span, 12), ZipFormat.Short(record.Span, 10), end);
        var bigAt = (long)ZipFormat.Long(locator, 8);
        if (bigAt < 0 || bigAt > end - ZipFormat.LocatorSize - ZipFormat.BigEndSize)
            throw Damaged();
        var big = await BytesAsync(bigAt, ZipFormat.BigEndSize, cancellationToken).ConfigureAwait(false);
        return ZipFormat.Signature(big) == ZipFormat.BigEnd ? ((long)ZipFormat.Long(big, 48), (long)ZipFormat.Long(big, 40), (long)ZipFormat.Long(big, 32),
            bigAt) : throw Damaged();
    }

    private async ValueTask<byte[]> BytesAsync(long at, int count, CancellationToken cancellationToken)
    {
        if (at < 0 || count < 0 || at > _length - count)
            throw Damaged();
        archive.Position = _start + at;
        var bytes = new byte[count];
        await archive.ReadExactlyAsync(bytes, cancellationToken).ConfigureAwait(false);
        return bytes;
    }

    private static WorkspaceException Damaged() => ImportNames.Invalid(
        "The archive is damaged, or was cut off: its central directory says something impossible.");
}

/// <summary>The content of one entry, unpacked, counted and summed up.</summary>
internal sealed class ZipContent : IDisposable
{
    private readonly ZipEntry _entry;
    private readonly ZipPart _part;
    private readonly Stream _unpacked;
    private readonly Crc32 _sum = new();
    private long _count;

    public ZipContent(Stream archive, long at, ZipEntry entry)
    {
        (_entry, _part) = (entry, new ZipPart(archive, at, entry.Packed));
        _unpacked = entry.Method == 0 ? _part : new DeflateStream(_part, CompressionMode.Decompress);
    }

    /// <exception cref="WorkspaceException">Invalid: it is not what the headers say.</exception>
    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int count;
        try
        {
            count = await _unpacked.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (InvalidDataException exception)
        {
            throw new WorkspaceException(WorkspaceFault.Invalid, $"'{ImportNames.Said(_entry.Name)}' is refused: it does not unpack.", exception);
        }

        _sum.Append(buffer.Span[..count]);
        _count += count;
        if (_count > _entry.Size || (count == 0 && (_count != _entry.Size || _sum.GetCurrentHashAsUInt32() != _entry.Sum || !_part.IsAtEnd)))
            throw ImportNames.Refused(_entry.Name, "its content is not what its header says");
        return count;
    }

    public void Dispose()
    {
        _unpacked.Dispose();
        _part.Dispose();
    }
}

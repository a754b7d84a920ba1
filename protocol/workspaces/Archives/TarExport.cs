using System.Globalization;
using System.Text;

namespace Marionette.Workspaces;

/// <summary>
/// Writes a snapshot, or a part of it, as a tar archive in the pax format, forward only. The same snapshot gives the same bytes. Memory does not grow
/// with the snapshot, but for the first name of
/// each group of hard links. docs/reference/formats/archives.md says what is written.
/// </summary>
public sealed class TarExport(SnapshotReader reader)
{
    private const int BufferSize = 128 * 1024;

    private readonly Dictionary<ulong, (byte[] Name, TreeEntry Entry)> _groups = [];
    private readonly ByteWriter _records = new();
    private readonly byte[] _block = new byte[TarFormat.BlockSize];

    /// <summary>Writes the archive. When it fails the stream has no end mark: no reader takes it for whole.</summary>
    /// <param name="path">A folder, whose entries then have names below it, or one file or link; empty: all.</param>
    /// <param name="target">Left open.</param>
    /// <exception cref="WorkspaceException">Missing, Corrupt, Invalid (the path), Limit.</exception>
    public async Task WriteAsync(string path, Stream target, CancellationToken cancellationToken)
    {
        _groups.Clear();
        var start = await reader.GetAsync(path, cancellationToken).ConfigureAwait(false);
        var output = new BufferedStream(target, BufferSize);
        await foreach (var (below, entry) in reader.WalkAheadAsync(start, cancellationToken).ConfigureAwait(false))
        {
            var name = below.Length > 0 ? below : start.Type == EntryType.Directory ? "."u8.ToArray() : start.Name;
            await EntryAsync(name, entry, output, cancellationToken).ConfigureAwait(false);
        }

        Array.Clear(_block);
        await output.WriteAsync(_block, cancellationToken).ConfigureAwait(false);
        await output.WriteAsync(_block, cancellationToken).ConfigureAwait(false);
        await output.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask EntryAsync(byte[] name, TreeEntry entry, Stream output, CancellationToken cancellationToken)
    {
        var first = First(name, entry);
        var type = first is not null ? TarFormat.HardLink : entry.Type switch
        {
            EntryType.Directory => TarFormat.Directory,
            EntryType.Link => TarFormat.Link,
            _ => TarFormat.File,
        };
        var size = type == TarFormat.File ? entry.Size : 0;
        byte[] written = type == TarFormat.Directory ? [.. name, (byte)'/'] : name;
        await HeaderAsync(written, type, entry, size, first ?? entry.Target ?? [], output, cancellationToken).ConfigureAwait(false);
        if (type != TarFormat.File)
            return;
        await reader.CopyFileAsync(entry, Encoding.UTF8.GetString(name), output, cancellationToken).ConfigureAwait(false);
        await PadAsync(size, output, cancellationToken).ConfigureAwait(false);
    }

    /// <returns>The name under which the same file was written before; null: it was not.</returns>
    private byte[]? First(byte[] name, TreeEntry entry)
    {
        if (entry.Type != EntryType.File || entry.LinkGroup == 0 || _groups.TryAdd(entry.LinkGroup, (name, entry)))
            return null;
        var first = _groups[entry.LinkGroup];
        return RestoreWorker.IsSameFile(first.Entry, entry) ? first.Name : null;
    }

    private async ValueTask HeaderAsync(byte[] name, byte type, TreeEntry entry, long size, byte[] target, Stream output, CancellationToken cancellationToken)
    {
        var (owner, seconds) = (entry.Owner ?? default, Math.DivRem(entry.Modified, 1_000_000_000).Quotient);
        Records(name, entry, size, target);
        if (_records.Length > 0)
        {
            var records = _records.Written.ToArray();
            var last = name.AsSpan().TrimEnd((byte)'/');
            byte[] own = [.. "PaxHeaders/"u8, .. last[(last.LastIndexOf((byte)'/') + 1)..]];
            TarFormat.Write(_block, own, TarFormat.Pax, 0x1a4, default, records.Length, 0, []);
            await output.WriteAsync(_block, cancellationToken).ConfigureAwait(false);
            await output.WriteAsync(records, cancellationToken).ConfigureAwait(false);
            await PadAsync(records.Length, output, cancellationToken).ConfigureAwait(false);
        }

        TarFormat.Write(_block, name, type, entry.Mode, owner, size, seconds, target);
        await output.WriteAsync(_block, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What the header has no room for.</summary>
    private void Records(byte[] name, TreeEntry entry, long size, byte[] target)
    {
        _records.Clear();
        var isLongName = name.Length > TarFormat.NameSize;
        var isLongTarget = target.Length > TarFormat.NameSize;
        // Records are UTF-8 unless they say that they are not.
        if ((isLongName && !System.Text.Unicode.Utf8.IsValid(name)) || (isLongTarget && !System.Text.Unicode.Utf8.IsValid(target)))
            TarFormat.Record(_records, "hdrcharset"u8, "BINARY"u8);
        if (isLongName)
            TarFormat.Record(_records, "path"u8, name);
        if (isLongTarget)
            TarFormat.Record(_records, "linkpath"u8, target);
        if (size > TarFormat.MostLong)
            TarFormat.Record(_records, "size"u8, Number(size));
        if (entry.Owner is { User: > (uint)TarFormat.MostShort } or { Group: > (uint)TarFormat.MostShort })
        {
            TarFormat.Record(_records, "uid"u8, Number(entry.Owner.Value.User));
            TarFormat.Record(_records, "gid"u8, Number(entry.Owner.Value.Group));
        }

        if (entry.Modified % 1_000_000_000 != 0 || entry.Modified < 0 || entry.Modified / 1_000_000_000 > TarFormat.MostLong)
            TarFormat.Record(_records, "mtime"u8, Time(entry.Modified));
        foreach (var (attribute, value) in entry.Attributes)
            TarFormat.Record(_records, [.. "SCHILY.xattr."u8, .. TarAttributes.Encode(attribute)], value);
    }

    private static byte[] Number(long number) => Encoding.ASCII.GetBytes(number.ToString(CultureInfo.InvariantCulture));

    private static byte[] Time(long time)
    {
        var all = UInt128.CreateChecked(Int128.Abs(time));
        return Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{(time < 0 ? "-" : "")}{all / 1_000_000_000}.{all % 1_000_000_000:d9}"));
    }

    private async ValueTask PadAsync(long written, Stream output, CancellationToken cancellationToken)
    {
        var rest = (int)(-written & (TarFormat.BlockSize - 1));
        Array.Clear(_block);
        await output.WriteAsync(_block.AsMemory(0, rest), cancellationToken).ConfigureAwait(false);
    }
}

/// <summary>Names of attributes in records: an equals sign would end the key.</summary>
internal static class TarAttributes
{
    public static byte[] Encode(byte[] name)
    {
        var encoded = new List<byte>(name.Length);
        foreach (var one in name)
            encoded.AddRange(one switch { (byte)'%' => "%25"u8, (byte)'=' => "%3D"u8, _ => [one] });
        return [.. encoded];
    }

    public static byte[] Decode(ReadOnlySpan<byte> name)
    {
        var decoded = new List<byte>(name.Length);
        for (var i = 0; i < name.Length; i++)
        {
            var rest = name[i..];
            var (one, length) = rest.StartsWith("%25"u8) ? ((byte)'%', 3) : rest.StartsWith("%3D"u8) ? ((byte)'=', 3) : (name[i], 1);
            decoded.Add(one);
            i += length - 1;
        }

        return [.. decoded];
    }
}

namespace Marionette.Workspaces;

/// <summary>Unpacks tar: ustar, pax, and the long names of GNU. No header is believed beyond the limits.</summary>
internal sealed class TarImport(ArchiveInput input, ImportFolder folder)
{
    private const int MaxRecords = 1024 * 1024, DefaultMode = 0x1a4;

    private const byte OldFile = 0, Contiguous = (byte)'7', Global = (byte)'g', SunPax = (byte)'X', LongName = (byte)'L', LongTarget = (byte)'K',
        Volume = (byte)'V';

    private readonly byte[] _block = new byte[TarFormat.BlockSize], _rest = new byte[64 * 1024];
    private PaxRecords _global = new(), _own = new();
    private byte[]? _longName, _longTarget;
    private string _last = "";

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (await HeaderAsync(cancellationToken).ConfigureAwait(false) is { } header)
        {
            if (header.Type is TarFormat.Pax or SunPax)
                _own = PaxRecords.Read(await MetaAsync(header, cancellationToken).ConfigureAwait(false), new PaxRecords());
            else if (header.Type == Global)
                _global = PaxRecords.Read(await MetaAsync(header, cancellationToken).ConfigureAwait(false), _global);
            else if (header.Type == LongName)
                _longName = WithoutEnd(await MetaAsync(header, cancellationToken).ConfigureAwait(false));
            else if (header.Type == LongTarget)
                _longTarget = WithoutEnd(await MetaAsync(header, cancellationToken).ConfigureAwait(false));
            else if (header.Type == Volume)
                await MetaAsync(header, cancellationToken).ConfigureAwait(false);
            else
                await EntryAsync(header, cancellationToken).ConfigureAwait(false);
        }

        if (_longName is not null || _longTarget is not null || _own.HasAny)
            throw ImportNames.Invalid("The archive is damaged: its last entry has a long header and nothing else.");
    }

    private async ValueTask EntryAsync(TarHeader header, CancellationToken cancellationToken)
    {
        var records = PaxRecords.Over(_global, _own);
        var (path, target) = (records.Path ?? _longName ?? header.Name, records.Target ?? _longTarget ?? header.Target);
        (_own, _longName, _longTarget) = (new PaxRecords(), null, null);
        _last = ImportNames.Said(path);
        var size = records.Size ?? header.Size ?? throw ImportNames.Refused(path, "its header has no size");
        var mode = header.Mode ?? throw ImportNames.Refused(path, "its header has no mode");
        if (size < 0)
            throw ImportNames.Refused(path, "its size is below zero");
        if (records.IsSparse)
            throw ImportNames.Refused(path, "it is packed as a sparse file (tar --sparse), which is not taken; pack it without");
        var seconds = header.Seconds is { } time and > -9_000_000_000 and < 9_000_000_000 ? time * 1_000_000_000 : (long?)null;
        var entry = new ImportEntry(path, (int)(mode & 0xfff), records.Modified ?? seconds) { Attributes = records.Attributes };
        switch (header.Type)
        {
            case TarFormat.File or OldFile or Contiguous when path.Length == 0 || path[^1] != '/':
                await FileAsync(entry, size, cancellationToken).ConfigureAwait(false);
                break;
            case TarFormat.Directory or TarFormat.File or OldFile:
                // Before there was a type for folders, a slash made one. A folder's size is no content.
                folder.Folder(entry);
                break;
            case TarFormat.Link when size == 0:
                folder.Link(entry, target);
                break;
            case TarFormat.HardLink when size == 0:
                folder.HardLink(entry, target);
                break;
            default:
                throw ImportNames.Refused(path, Why(header.Type));
        }
    }

    private static string Why(byte type) => type switch
    {
        TarFormat.Link or TarFormat.HardLink => "it is a link with content",
        (byte)'3' or (byte)'4' => "it is a device",
        (byte)'6' => "it is a pipe",
        (byte)'S' => "it is packed as a sparse file (tar --sparse), which is not taken; pack it without",
        _ => $"it is of a kind that is not taken ({(type is > 32 and < 127 ? $"'{(char)type}'" : type)})",
    };

    private async ValueTask FileAsync(ImportEntry entry, long size, CancellationToken cancellationToken)
    {
        folder.Tally.Announce(entry.Path, size);
        var left = size;
        await folder.FileAsync(entry, async (buffer, token) =>
        {
            var count = left == 0 ? 0 : await input.ReadAsync(buffer[..(int)Math.Min(buffer.Length, left)], token).ConfigureAwait(false);
            if (count == 0 && left > 0)
                throw CutOff();
            left -= count;
            return count;
        }, cancellationToken).ConfigureAwait(false);
        await FillAsync(_rest.AsMemory(0, Padding(size)), cancellationToken).ConfigureAwait(false);
    }

    /// <returns>Null at the end mark.</returns>
    private async ValueTask<TarHeader?> HeaderAsync(CancellationToken cancellationToken)
    {
        await FillAsync(_block, cancellationToken).ConfigureAwait(false);
        if (!_block.AsSpan().ContainsAnyExcept((byte)0))
            return null;
        return TarFormat.Read(_block) ?? throw ImportNames.Invalid(
            $"The archive is damaged: what comes {(_last.Length == 0 ? "first" : $"behind '{_last}'")} is no header.");
    }

    /// <summary>The content of an entry that tells of the next one.</summary>
    private async ValueTask<byte[]> MetaAsync(TarHeader header, CancellationToken cancellationToken)
    {
        folder.Tally.Entry();
        if (header.Size is not { } size || size < 0)
            throw ImportNames.Refused(header.Name, "its header has no size");
        if (size > MaxRecords)
            throw ImportNames.TooMuch(header.Name, $"a long header has {size} bytes; at most {MaxRecords} are taken");
        folder.Tally.Other(size);
        var content = new byte[size];
        await FillAsync(content, cancellationToken).ConfigureAwait(false);
        await FillAsync(_rest.AsMemory(0, Padding(size)), cancellationToken).ConfigureAwait(false);
        return content;
    }

    private async ValueTask FillAsync(Memory<byte> target, CancellationToken cancellationToken)
    {
        while (!target.IsEmpty)
        {
            var count = await input.ReadAsync(target, cancellationToken).ConfigureAwait(false);
            if (count == 0)
                throw CutOff();
            target = target[count..];
        }
    }

    private WorkspaceException CutOff() => ImportNames.Invalid(_last.Length == 0 ? "The archive was cut off: it has no end mark."
        : $"The archive was cut off at or behind '{_last}'.");

    private static int Padding(long size) => (int)(-size & (TarFormat.BlockSize - 1));

    private static byte[] WithoutEnd(byte[] name) => name.Length > 0 && name[^1] == 0 ? name[..^1] : name;
}

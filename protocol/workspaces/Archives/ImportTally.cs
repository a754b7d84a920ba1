namespace Marionette.Workspaces;

/// <summary>Counts what an archive brings, and says when it is too much.</summary>
internal sealed class ImportTally(ImportOptions options)
{
    private const int Kept = 1000;

    private readonly List<(string, string)> _differences = [];
    private long _entries, _all, _bytes;

    public long Files { get; set; }

    public long Directories { get; set; }

    public long Links { get; set; }

    public long LeftOut { get; set; }

    public void Entry()
    {
        if (++_entries > options.MaxEntries)
            throw new WorkspaceException(WorkspaceFault.Limit, $"The archive has more than {options.MaxEntries} entries.");
    }

    /// <summary>Before anything is read: what it says that it has is refused already.</summary>
    public void Announce(ReadOnlySpan<byte> path, long size)
    {
        if (size > options.MaxFileBytes)
            throw ImportNames.TooMuch(path, $"it has {size} bytes; at most {options.MaxFileBytes} are taken");
        if (size > options.MaxBytes - _all)
            throw TooMany();
    }

    /// <param name="length">Of the file so far, with these.</param>
    /// <param name="isWritten">What is left out counts against the limit, and is not told as written.</param>
    public void Content(ReadOnlySpan<byte> path, int count, long length, bool isWritten)
    {
        if (length > options.MaxFileBytes)
            throw ImportNames.TooMuch(path, $"it has more than {options.MaxFileBytes} bytes");
        Other(count);
        _bytes += isWritten ? count : 0;
    }

    /// <summary>Bytes that are no file's.</summary>
    public void Other(long count)
    {
        _all += count;
        if (_all > options.MaxBytes)
            throw TooMany();
    }

    public void Differs(ReadOnlySpan<byte> path, string what)
    {
        if (_differences.Count < Kept)
            _differences.Add((ImportNames.Said(path), what));
    }

    public ImportReport ToReport(ArchiveKind kind) =>
        new() { Kind = kind, Files = Files, Directories = Directories, Links = Links, Bytes = _bytes, LeftOut = LeftOut, Differences = _differences };

    private WorkspaceException TooMany() => new(WorkspaceFault.Limit, $"The archive has more than {options.MaxBytes} bytes.");
}

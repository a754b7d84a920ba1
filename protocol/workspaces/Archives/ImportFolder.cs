using System.Runtime.InteropServices;
using System.Text;

namespace Marionette.Workspaces;

/// <summary>An entry as its archive tells of it.</summary>
/// <param name="Path">As it stands there.</param>
/// <param name="Modified">Nanoseconds since 1970; null: not said.</param>
internal sealed record ImportEntry(byte[] Path, int Mode, long? Modified)
{
    public IReadOnlyList<(byte[] Name, byte[] Value)> Attributes { get; init; } = [];

    /// <summary>A second entry of the same name is an error, and does not take the place of the first.</summary>
    public bool IsOnce { get; init; }
}

/// <summary>
/// The folder that an archive is unpacked into. Every name is resolved from the root's descriptor, one folder after another, following no link; so
/// nothing is written outside, whatever the archive says and
/// whoever swaps what meanwhile. Folders get their modes and times at the end.
/// </summary>
internal sealed class ImportFolder(int root, ImportOptions options, ImportTally tally) : IDisposable
{
    private const int SetIdBits = 0xc00, NewFolder = 0x1ed, WorkMode = 0x1c0, CopySize = 128 * 1024, MaxKept = 128 * 1024 * 1024;

    /// <summary>By path; a Latin-1 text keeps every byte.</summary>
    private readonly Dictionary<string, ImportEntry> _folders = new(StringComparer.Ordinal);
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(CopySize);
    private long _kept;
    private string _parentPath = "";
    private int _open = -1;

    public ImportTally Tally => tally;

    private int Current => _open < 0 ? root : _open;

    public void Folder(ImportEntry entry)
    {
        if (Begin(entry) is not { } names)
            return;
        if (names.Length > Math.Min(options.MaxDepth, UploadWork.MaxDepth))
            throw ImportNames.TooMuch(entry.Path, $"its folders are nested deeper than {options.MaxDepth}");
        if (names.Length > 0)
        {
            var dir = Parent(names, entry);
            if (There(dir, names[^1]) is not { } there)
                Make(dir, names[^1], entry);
            else if (!there.IsDirectory || entry.IsOnce)
                throw InTheWay(entry, there);
        }

        // Folders are remembered until the end: names and attributes of many would fill the memory of whoever unpacks.
        _kept += (4L * entry.Path.Length) + entry.Attributes.Sum(one => one.Name.Length + one.Value.Length);
        if (_kept > MaxKept)
            throw ImportNames.TooMuch(entry.Path, $"paths and attributes of the archive's folders take more than {MaxKept} bytes");
        _folders[Text(names)] = entry;
    }

    public async ValueTask FileAsync(ImportEntry entry, Func<Memory<byte>, CancellationToken, ValueTask<int>> read, CancellationToken cancellationToken)
    {
        var names = Begin(entry);
        var fd = names is null ? -1 : Create(names, entry);
        try
        {
            long length = 0;
            while (await read(_buffer, cancellationToken).ConfigureAwait(false) is var count and > 0)
            {
                tally.Content(entry.Path, count, length + count, fd >= 0);
                if (fd >= 0)
                    Libc.WriteAll(fd, _buffer.AsSpan(0, count), length, ImportNames.Said(entry.Path));
                length += count;
            }

            if (fd >= 0)
                Finish(fd, entry, entry.Mode);
        }
        finally
        {
            if (fd >= 0)
                Libc.Close(fd);
        }

        tally.Files += names is null ? 0 : 1;
    }

    public void Link(ImportEntry entry, byte[] target)
    {
        if (Begin(entry) is not { } names)
            return;
        ImportNames.CheckTarget(entry.Path, target, names.Length - 1, options);
        var dir = Place(names, entry, Libc.TypeLink);
        SafeFolder.CreateLink(dir, names[^1], target, ExistingEntries.Refuse, ImportNames.Said(entry.Path));
        if (entry.Modified is { } modified)
            SafeFolder.SetLinkTimes(dir, names[^1], modified);
        tally.Links++;
    }

    public void HardLink(ImportEntry entry, byte[] target)
    {
        if (Begin(entry) is not { } names)
            return;
        var first = ImportNames.Split(target, options, out var leftOut);
        if (leftOut || first.Length == 0)
            throw ImportNames.Refused(entry.Path, $"it is a link to '{ImportNames.Said(target)}', which is not unpacked");
        if (Text(first) == Text(names))
            throw ImportNames.Refused(entry.Path, "it is a link to itself");
        var dir = Place(names, entry, Libc.TypeFile);
        if (!SafeFolder.TryHardLink(root, Join(first), dir, names[^1], ExistingEntries.Refuse, ImportNames.Said(entry.Path)))
            throw ImportNames.Refused(entry.Path, $"it is a link to '{ImportNames.Said(target)}', which is no file that came before, or lies behind a link");
        // A second name of a symbolic link would be one with other folders above it.
        if (There(dir, names[^1]) is not { IsFile: true })
            throw ImportNames.Refused(entry.Path, $"it is a link to '{ImportNames.Said(target)}', which is itself a link");
        tally.Files++;
    }

    /// <summary>Sets modes and times of all folders, the inner ones first.</summary>
    public void End()
    {
        foreach (var (path, entry) in _folders.OrderByDescending(folder => folder.Key, StringComparer.Ordinal))
        {
            var names = path.Split('/', StringSplitOptions.RemoveEmptyEntries).Select(Encoding.Latin1.GetBytes).ToArray();
            var fd = names.Length == 0 ? root : SafeFolder.OpenFolder(Parent(names, entry), names[^1]);
            if (fd < 0)
                throw Libc.Failure(ImportNames.Said(entry.Path));
            // Whoever unpacked it must be able to work in the folder itself.
            Finish(fd, entry, names.Length == 0 ? entry.Mode | WorkMode : entry.Mode);
            if (fd != root)
                Libc.Close(fd);
        }
    }

    /// <summary>Takes everything away again.</summary>
    public void Empty()
    {
        Dispose();
        var listing = new FolderListing();
        Libc.Seek(root, 0, 0); // it was read to its end when it was looked at
        if (listing.Read(root) is var error and not 0)
            throw Libc.Failure("The folder", error);
        for (var i = 0; i < listing.Count; i++)
            SafeFolder.RemoveTree(root, listing.Name(listing[i]).ToArray(), "The folder");
    }

    public void Dispose()
    {
        if (_open >= 0)
            Libc.Close(_open);
        (_open, _parentPath) = (-1, "");
    }

    /// <returns>Null: it is left out.</returns>
    private byte[][]? Begin(ImportEntry entry)
    {
        tally.Entry();
        var names = ImportNames.Split(entry.Path, options, out var leftOut);
        tally.LeftOut += leftOut ? 1 : 0;
        return leftOut ? null : names;
    }

    private int Create(byte[][] names, ImportEntry entry) => SafeFolder.CreateFile(Place(names, entry, Libc.TypeFile), names[^1], ExistingEntries.Refuse,
        ImportNames.Said(entry.Path));

    /// <summary>Opens the folder that something goes to, and makes the way free.</summary>
    private int Place(byte[][] names, ImportEntry entry, uint type)
    {
        if (names.Length == 0)
            throw ImportNames.Refused(entry.Path, "it stands for the folder itself, and is none");
        var dir = Parent(names, entry);
        if (There(dir, names[^1]) is not { } there)
            return dir;
        if (there.Type != type || entry.IsOnce)
            throw InTheWay(entry, there);
        SafeFolder.RemoveTree(dir, names[^1], ImportNames.Said(entry.Path));
        return dir;
    }

    /// <summary>Opens the folder above, which is made where it is not there. The last one stays open: most archives go folder by folder.</summary>
    private int Parent(byte[][] names, ImportEntry entry)
    {
        var path = Text(names.AsSpan(0, names.Length - 1));
        if (path == _parentPath)
            return Current;
        if (names.Length - 1 > Math.Min(options.MaxDepth, UploadWork.MaxDepth))
            throw ImportNames.TooMuch(entry.Path, $"its folders are nested deeper than {options.MaxDepth}");
        Dispose();
        for (var i = 0; i < names.Length - 1; i++)
        {
            if (There(Current, names[i]) is not { } there)
            {
                tally.Entry();
                Make(Current, names[i], entry);
                _folders[Text(names.AsSpan(0, i + 1))] = new ImportEntry(Join(names.AsSpan(0, i + 1)), NewFolder, null);
            }
            else if (!there.IsDirectory)
            {
                throw ImportNames.Refused(entry.Path, there.IsLink ? $"it lies behind the link '{ImportNames.Said(names[i])}'"
                    : $"'{ImportNames.Said(names[i])}' on its way is a file");
            }

            var next = SafeFolder.OpenFolder(Current, names[i]);
            if (next < 0)
                throw Libc.Failure(ImportNames.Said(entry.Path));
            if (_open >= 0)
                Libc.Close(_open);
            _open = next;
        }

        _parentPath = path;
        return Current;
    }

    private unsafe void Make(int dir, byte[] name, ImportEntry entry)
    {
        fixed (byte* at = SafeFolder.Terminated(name))
            if (Libc.MkdirAt(dir, at, WorkMode) != 0)
                throw Libc.Failure(ImportNames.Said(entry.Path));
        tally.Directories++;
    }

    private void Finish(int fd, ImportEntry entry, int mode)
    {
        var own = entry.Attributes.Where(attribute => attribute.Name.AsSpan().StartsWith("user."u8) && !attribute.Name.AsSpan().Contains((byte)0)).ToList();
        if (own.Count < entry.Attributes.Count)
            tally.Differs(entry.Path, "attributes that are not the user's were dropped");
        if (Xattrs.Write(fd, own) is { } failed)
            tally.Differs(entry.Path, $"attribute {failed} could not be set");
        if ((mode & SetIdBits) != 0)
            tally.Differs(entry.Path, "set-user-id or set-group-id was dropped");
        if (Libc.Chmod(fd, (uint)(mode & 0xfff & ~SetIdBits)) != 0)
            tally.Differs(entry.Path, "mode could not be set");
        if (entry.Modified is { } modified)
            SafeFolder.SetTimes(fd, modified);
    }

    private static EntryStat? There(int dir, byte[] name)
    {
        if (EntryStat.Read(dir, SafeFolder.Terminated(name), 0, out var stat))
            return stat;
        return Marshal.GetLastPInvokeError() == Libc.NoEntry ? null : throw Libc.Failure(ImportNames.Said(name));
    }

    private static WorkspaceException InTheWay(ImportEntry entry, EntryStat there) =>
        ImportNames.Refused(entry.Path, $"the name is there already, as a {(there.IsDirectory ? "folder" : there.IsLink ? "link" : "file")}");

    private static byte[] Join(ReadOnlySpan<byte[]> names) => Encoding.Latin1.GetBytes(Text(names));

    private static string Text(ReadOnlySpan<byte[]> names)
    {
        var text = new StringBuilder();
        foreach (var name in names)
            text.Append(text.Length == 0 ? "" : "/").Append(Encoding.Latin1.GetString(name));
        return text.ToString();
    }
}

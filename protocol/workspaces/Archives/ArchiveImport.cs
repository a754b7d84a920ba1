using System.Runtime.InteropServices;

namespace Marionette.Workspaces;

/// <summary>
/// Unpacks an archive that nobody vouches for: tar, tar in gzip or zstd, or zip, told apart by its first bytes. docs/reference/formats/archives.md
/// says what is taken and what is refused.
/// </summary>
public static class ArchiveImport
{
    private const int HeadSize = TarFormat.BlockSize, CopySize = 128 * 1024;

    /// <summary>Unpacks into a folder, which must be empty or absent. What goes wrong leaves it empty.</summary>
    /// <param name="archive">Read from where it stands, and left open. A zip is read in place when it can seek, else it is spooled.</param>
    /// <exception cref="WorkspaceException">Invalid (an entry is refused, the archive is damaged or none, the folder is not empty), Limit, Io.</exception>
    public static Task<ImportReport> UnpackAsync(Stream archive, string folder, ImportOptions options, CancellationToken cancellationToken) =>
        Task.Run(() => RunAsync(archive, folder, options, cancellationToken), cancellationToken);

    private static async Task<ImportReport> RunAsync(Stream archive, string folder, ImportOptions options, CancellationToken cancellationToken)
    {
        var root = OpenFolder(folder);
        var tally = new ImportTally(options);
        using var target = new ImportFolder(root, options, tally);
        try
        {
            var kind = await UnpackAsync(archive, target, options, cancellationToken).ConfigureAwait(false);
            target.End();
            return tally.ToReport(kind);
        }
        catch (Exception fault)
        {
            Empty(target, fault);
            if (fault is IOException)
                throw WorkspaceException.Io($"The archive could not be read: {fault.Message}", fault);
            throw;
        }
        finally
        {
            target.Dispose();
            Libc.Close(root);
        }
    }

    private static async Task<ArchiveKind> UnpackAsync(Stream archive, ImportFolder target, ImportOptions options, CancellationToken cancellationToken)
    {
        var start = archive.CanSeek ? archive.Position : 0;
        var head = new byte[HeadSize];
        head = head[..await archive.ReadAtLeastAsync(head, head.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false)];
        var kind = KindOf(head);
        if (kind == ArchiveKind.Zip)
        {
            await ZipAsync(archive, start, head, target, options, cancellationToken).ConfigureAwait(false);
            return kind;
        }

        using var input = new ArchiveInput(kind, archive, head, options);
        await new TarImport(input, target).RunAsync(cancellationToken).ConfigureAwait(false);
        await input.EndAsync(target.Tally, cancellationToken).ConfigureAwait(false);
        return kind;
    }

    private static async Task ZipAsync(Stream archive, long start, byte[] head, ImportFolder target, ImportOptions options, CancellationToken cancellationToken)
    {
        if (archive.CanSeek)
        {
            archive.Position = start;
            if (archive.Length - start > options.MaxArchiveBytes)
                throw new WorkspaceException(WorkspaceFault.Limit, $"The archive itself has more than {options.MaxArchiveBytes} bytes.");
            await new ZipImport(archive, target, options).RunAsync(cancellationToken).ConfigureAwait(false);
            return;
        }

        if (options.SpoolFolder is not { } folder)
            throw ImportNames.Invalid("A zip is read from its end, and this one comes as a stream: send a tar, or set a folder to spool zips in.");
        var spool = OpenSpool(folder);
        await using (spool.ConfigureAwait(false))
        {
            using var source = new ArchiveSource(archive, head, [], options.MaxArchiveBytes);
            await source.CopyToAsync(spool, CopySize, cancellationToken).ConfigureAwait(false);
            spool.Position = 0;
            await new ZipImport(spool, target, options).RunAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private static ArchiveKind KindOf(ReadOnlySpan<byte> head)
    {
        if (head.StartsWith((ReadOnlySpan<byte>)[0x1f, 0x8b]))
            return ArchiveKind.TarGzip;
        if (head.StartsWith((ReadOnlySpan<byte>)[0x28, 0xb5, 0x2f, 0xfd]))
            return ArchiveKind.TarZstd;
        if (head.StartsWith("PK\u0003\u0004"u8) || head.StartsWith("PK\u0005\u0006"u8))
            return ArchiveKind.Zip;
        if (head.Length == HeadSize && (TarFormat.Read(head) is not null || !head.ContainsAnyExcept((byte)0)))
            return ArchiveKind.Tar;
        throw ImportNames.Invalid("This is no tar, tar.gz, tar.zst or zip, or its first bytes are damaged.");
    }

    /// <summary>A file without a name: it goes with whoever has it open.</summary>
    private static FileStream OpenSpool(string folder)
    {
        try
        {
            var spool = new FileStream(Path.Combine(folder, $".zip-{Guid.NewGuid():n}"), new FileStreamOptions
            {
                Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.Delete,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
            File.Delete(spool.Name);
            return spool;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw WorkspaceException.Io($"The zip cannot be spooled: {exception.Message}", exception);
        }
    }

    private static unsafe int OpenFolder(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw WorkspaceException.Io($"{folder}: {exception.Message}", exception);
        }

        int root;
        fixed (byte* path = Files.Terminated(Path.GetFullPath(folder)))
            root = Libc.OpenAt(Libc.AtCwd, path, Libc.ReadOnly | Libc.Directory | Libc.CloseOnExec, 0);
        if (root < 0)
            throw Libc.Failure(folder, Marshal.GetLastPInvokeError());
        var listing = new FolderListing();
        if (listing.Read(root) == 0 && listing.Count == 0)
            return root;
        Libc.Close(root);
        throw ImportNames.Invalid($"{folder} is not empty.");
    }

    private static void Empty(ImportFolder target, Exception fault)
    {
        try
        {
            target.Empty();
        }
        catch (WorkspaceException exception)
        {
            throw WorkspaceException.Io($"{fault.Message} What was unpacked of it could not be taken away: {exception.Message}", fault);
        }
    }
}

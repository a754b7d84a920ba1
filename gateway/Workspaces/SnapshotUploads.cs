using Marionette.Workspaces;

namespace Marionette.Gateway.Workspaces;

/// <summary>
/// Makes snapshots of archives that somebody sends: unpacked in a folder of this gateway's own, stored from there as any folder is, and gone from it before the answer.
/// </summary>
internal sealed class SnapshotUploads(ChunkStores stores, StoreQuota quota, GatewayOptions options, TimeProvider clock) : IDisposable
{
    /// <summary>Each takes up disk and a core; what comes beyond waits.</summary>
    private const int AtATime = 2;

    private readonly SemaphoreSlim _slots = new(AtATime);

    /// <summary>Stores an archive's files.</summary>
    /// <param name="name">For people.</param>
    /// <param name="strip">Folders to leave out at the front of every path.</param>
    /// <exception cref="WorkspaceException">Invalid, Limit: the archive, with the entry; Io.</exception>
    /// <exception cref="MarionetteException">TooLarge: the tenant has no room left.</exception>
    public async Task<SnapshotRow> StoreAsync(string tenant, Stream archive, string? name, int strip, CancellationToken cancellationToken)
    {
        await quota.CheckAsync(tenant, cancellationToken);
        await _slots.WaitAsync(cancellationToken);
        var folder = Directory.CreateTempSubdirectory("marionette-upload-").FullName;
        try
        {
            var (files, spool) = (Directory.CreateDirectory(Path.Combine(folder, "files")).FullName, Directory.CreateDirectory(Path.Combine(folder, "spool")).FullName);
            var most = options.Keeping.UploadBytes;
            await ArchiveImport.UnpackAsync(
                archive, files, new ImportOptions { StripComponents = strip, SpoolFolder = spool, MaxBytes = most, MaxFileBytes = most, MaxArchiveBytes = most }, cancellationToken);
            return await SnapshotAsync(tenant, files, name, cancellationToken);
        }
        finally
        {
            Remove(folder);
            _slots.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _slots.Dispose();

    private async Task<SnapshotRow> SnapshotAsync(string tenant, string folder, string? name, CancellationToken cancellationToken)
    {
        var (chunks, snapshots) = (stores.Of(tenant), stores.SnapshotsOf(tenant));
        var key = await chunks.CurrentKeyAsync(cancellationToken);
        SnapshotRecord? made = null;
        var options = new SnapshotOptions { Workers = 1 };
        await new Uploader(chunks.Blobs, chunks.Index, key.Convergence, clock).SnapshotAsync(folder, options, RecordAsync, id => snapshots.ForgetAsync(id, CancellationToken.None), cancellationToken);
        return SnapshotRow.Of(made!);

        async Task<string> RecordAsync(SnapshotReport report, CancellationToken token)
        {
            var now = clock.GetUtcNow();
            made = new SnapshotRecord
            {
                Id = SnapshotCatalog.NewId(now), Root = report.Root, Created = now, Label = SnapshotRow.LabelOfUpload(name),
                Files = report.Files, Directories = report.Directories, Links = report.Links, Bytes = report.Bytes,
            };
            await snapshots.RecordAsync(made, token);
            return made.Id;
        }
    }

    /// <summary>An archive may have made folders that not even their owner may change.</summary>
    private static void Remove(string folder)
    {
        try
        {
            foreach (var one in Directory.EnumerateDirectories(folder, "*", new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = false, AttributesToSkip = FileAttributes.ReparsePoint }))
                File.SetUnixFileMode(one, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            Directory.Delete(folder, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What is left lies among the temporary files.
        }
    }
}

using System.Collections.Concurrent;
using Marionette.Workspaces;

namespace Marionette.Gateway.Workspaces;

/// <summary>
/// Makes snapshots of archives that somebody sends: unpacked in a folder of this gateway's own, stored from there as any folder is, and gone from it before the answer.
/// </summary>
internal sealed class SnapshotUploads(ChunkStores stores, StoreQuota quota, GatewayOptions options, TimeProvider clock) : IDisposable
{
    /// <summary>Each takes up disk and a core, for as long as its sender takes.</summary>
    private const int AtATime = 4;

    private const string FolderPrefix = "marionette-upload-";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30), MostTime = TimeSpan.FromMinutes(30);

    private readonly SemaphoreSlim _slots = new(AtATime);
    private readonly ConcurrentDictionary<string, bool> _underway = new(StringComparer.Ordinal);

    /// <summary>Stores an archive's files.</summary>
    /// <param name="name">For people.</param>
    /// <param name="strip">Folders to leave out at the front of every path.</param>
    /// <exception cref="WorkspaceException">Invalid, Limit: the archive, with the entry; Io.</exception>
    /// <exception cref="MarionetteException">TooLarge: the tenant has no room left.</exception>
    public async Task<SnapshotRow> StoreAsync(string tenant, Stream archive, string? name, int strip, CancellationToken cancellationToken)
    {
        await quota.CheckAsync(tenant, cancellationToken);
        if (!_underway.TryAdd(tenant, true)) throw new MarionetteException(FaultCode.Conflict, "Another upload of the tenant is under way; ask again when it is done.");
        try
        {
            if (!await _slots.WaitAsync(Patience, cancellationToken)) throw new MarionetteException(FaultCode.Unavailable, "Too many uploads are under way; try again.");
        }
        catch
        {
            _underway.TryRemove(tenant, out _);
            throw;
        }

        using var limit = new CancellationTokenSource(MostTime, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            return await UnpackAsync(tenant, archive, name, strip, both.Token);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new MarionetteException(FaultCode.TooLarge, $"The upload took longer than {MostTime.TotalMinutes:0} minutes.");
        }
        finally
        {
            _slots.Release();
            _underway.TryRemove(tenant, out _);
        }
    }

    /// <summary>Removes what uploads left whose gateway was killed.</summary>
    public void Clear()
    {
        // Also another gateway of this machine may be at work there, for as long as an upload may take.
        var dead = clock.GetUtcNow() - (2 * MostTime);
        foreach (var folder in Directory.EnumerateDirectories(Path.GetTempPath(), FolderPrefix + "*"))
            if (Directory.GetLastWriteTimeUtc(folder) < dead.UtcDateTime) Remove(folder);
    }

    /// <inheritdoc/>
    public void Dispose() => _slots.Dispose();

    private async Task<SnapshotRow> UnpackAsync(string tenant, Stream archive, string? name, int strip, CancellationToken cancellationToken)
    {
        string? folder = null;
        try
        {
            folder = Directory.CreateTempSubdirectory(FolderPrefix).FullName;
            var (files, spool) = (Directory.CreateDirectory(Path.Combine(folder, "files")).FullName, Directory.CreateDirectory(Path.Combine(folder, "spool")).FullName);
            var most = options.Keeping.UploadBytes;
            await ArchiveImport.UnpackAsync(
                archive, files, new ImportOptions { StripComponents = strip, SpoolFolder = spool, MaxBytes = most, MaxFileBytes = most, MaxArchiveBytes = most }, cancellationToken);
            return await SnapshotAsync(tenant, files, name, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw WorkspaceException.Io($"An upload cannot be unpacked: {e.Message}", e);
        }
        finally
        {
            if (folder is not null) Remove(folder);
        }
    }

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
            // Modes of the archive's own may keep even their owner out, unless that is root.
            if (report.SkippedCount > 0) throw new WorkspaceException(WorkspaceFault.Invalid, $"'{report.Skipped[0].Path}' cannot be read as the archive has it: {report.Skipped[0].Detail}.");
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

    /// <summary>Through descriptors: an archive may have made folders that not even their owner may change, and paths that are longer than a path may be.</summary>
    private static void Remove(string folder)
    {
        try
        {
            SafeFolder.RemoveTree(Libc.AtCwd, System.Text.Encoding.UTF8.GetBytes(folder), folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or WorkspaceException)
        {
            // What is left lies among the temporary files.
        }
    }
}

using System.Text;

namespace Marionette.Workspaces;

/// <summary>Counts of all workers together.</summary>
internal sealed class UploadTally(SnapshotOptions options)
{
    private const int Kept = 1000, ProgressEvery = 1000;

    private readonly List<SkippedEntry> _skipped = [];
    private readonly Lock _gate = new();
    private long _files, _directories, _links, _bytes, _filesRead, _bytesRead, _skippedCount, _missedCount;

    public long Files => Interlocked.Read(ref _files);

    public long BytesRead => Interlocked.Read(ref _bytesRead);

    /// <summary>Counts a folder's listing.</summary>
    public void Folder(long files, long links, long bytes, Func<long> stored)
    {
        Interlocked.Increment(ref _directories);
        Interlocked.Add(ref _links, links);
        Interlocked.Add(ref _bytes, bytes);
        var total = Interlocked.Add(ref _files, files);
        if (total + Interlocked.Read(ref _directories) > options.MaxEntries)
            throw new WorkspaceException(WorkspaceFault.Limit, $"The folder has more than {options.MaxEntries} entries.");
        if (options.Progress is { } progress && total / ProgressEvery != (total - files) / ProgressEvery)
            progress.Report(new SnapshotProgress(total, BytesRead, stored()));
    }

    public void Read(long bytes, long estimated)
    {
        Interlocked.Increment(ref _filesRead);
        Interlocked.Add(ref _bytesRead, bytes);
        Interlocked.Add(ref _bytes, bytes - estimated);
    }

    /// <summary>A file that was counted and is not there after all.</summary>
    public void Lost(long bytes)
    {
        Interlocked.Decrement(ref _files);
        Interlocked.Add(ref _bytes, -bytes);
    }

    public void Skip(ReadOnlySpan<byte> folder, ReadOnlySpan<byte> name, SkipReason reason, string detail)
    {
        var path = folder.IsEmpty ? Encoding.UTF8.GetString(name) : Encoding.UTF8.GetString(folder) + "/" + Encoding.UTF8.GetString(name);
        lock (_gate)
        {
            _skippedCount++;
            if (reason is SkipReason.Unreadable or SkipReason.ChangedWhileRead)
                _missedCount++;
            if (_skipped.Count < Kept)
                _skipped.Add(new SkippedEntry(path, reason, detail));
        }
    }

    public SnapshotReport ToReport(ChunkRef root, ChunkUploader uploader) => new()
    {
        Root = root, Files = _files, Directories = _directories, Links = _links, Bytes = _bytes, FilesRead = _filesRead, BytesRead = _bytesRead,
        NewChunks = uploader.NewChunks, BytesStored = uploader.BytesStored, Skipped = _skipped, SkippedCount = _skippedCount, MissedCount = _missedCount,
    };
}

using System.Runtime.CompilerServices;
using Microsoft.Win32.SafeHandles;

namespace Marionette.Workspaces;

/// <summary>
/// Objects as files of a folder. What is put stands first in <c>.tmp</c>, is synced, gets its name by a rename that replaces nothing, and the folder is synced. Objects with a
/// name of 64 digits lie in 256 folders.
/// </summary>
public sealed class FolderBlobStore : IBlobStore, IDisposable
{
    private const string Temporary = ".tmp";
    private const int OpenFiles = 64;
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string _root;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, SafeFileHandle> _open = new(StringComparer.Ordinal);
    private readonly Queue<string> _openOrder = new();
    private int _number;

    /// <summary>A store in a folder, which is made when it is not there.</summary>
    public FolderBlobStore(string folder)
    {
        _root = Path.GetFullPath(folder);
        Try(_root, () => Directory.CreateDirectory(Path.Combine(_root, Temporary), Private | UnixFileMode.UserExecute));
    }

    /// <inheritdoc/>
    public ValueTask<IBlobUpload> BeginAsync(CancellationToken cancellationToken) => ValueTask.FromResult<IBlobUpload>(new Upload(this));

    /// <inheritdoc/>
    public async ValueTask<bool> PutAsync(string name, ReadOnlyMemory<byte> content, BlobPut how, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await using var upload = new Upload(this);
        await upload.AppendAsync(content, cancellationToken).ConfigureAwait(false);
        return upload.Commit(name, how);
    }

    /// <inheritdoc/>
    public ValueTask<int> ReadAsync(string name, long offset, Memory<byte> target, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return ValueTask.FromResult(RandomAccess.Read(Open(name), target.Span, offset));
            }
            catch (ObjectDisposedException) when (attempt < 8)
            {
                // Another reader's file took the place of this one's in between.
            }
            catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
            {
                throw new WorkspaceException(WorkspaceFault.Missing, $"{name} is not in the store.", exception);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                throw WorkspaceException.Io($"{name} cannot be read: {exception.Message}", exception);
            }
        }
    }

    /// <inheritdoc/>
    public ValueTask<BlobInfo?> FindAsync(string name, CancellationToken cancellationToken)
    {
        var file = new FileInfo(PathOf(name));
        return ValueTask.FromResult(file.Exists ? new BlobInfo(name, file.Length, new DateTimeOffset(file.LastWriteTimeUtc)) : null);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<BlobInfo> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await ValueTask.CompletedTask.ConfigureAwait(false);
        // A store that is not where it was, or cannot be read, looks like an empty one, and a collection would believe it.
        if (!Directory.Exists(_root))
            throw WorkspaceException.Io($"{_root} is not there.");
        var folder = Path.Combine(_root, prefix.TrimEnd('/'));
        using (var paths = Open(prefix, folder))
        {
            while (Next(prefix, paths) is { } path)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var file = new FileInfo(path);
                if (file.Exists)
                    yield return new BlobInfo(StoreNames.NameAt(Path.GetRelativePath(_root, path)), file.Length, new DateTimeOffset(file.LastWriteTimeUtc));
            }
        }
    }

    /// <returns>Null: there is no such folder yet.</returns>
    private static IEnumerator<string>? Open(string prefix, string folder)
    {
        try
        {
            // Unlike Directory.Exists this tells absent from unreadable.
            File.GetAttributes(folder);
            return Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).GetEnumerator();
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw WorkspaceException.Io($"{prefix}: {exception.Message}", exception);
        }
    }

    private static string? Next(string prefix, IEnumerator<string>? paths)
    {
        var more = false;
        Try(prefix, () => more = paths?.MoveNext() ?? false);
        return more ? paths!.Current : null;
    }

    /// <inheritdoc/>
    public ValueTask DeleteAsync(string name, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var path = PathOf(name);
        Forget(name);
        Try(name, () =>
        {
            if (File.Exists(path))
                File.Delete(path);
        });
        return ValueTask.CompletedTask;
    }

    /// <summary>Removes what died half-way: parts of objects that nobody has written to for a while.</summary>
    /// <param name="olderThan">Parts that were last written before this.</param>
    /// <returns>How many there were.</returns>
    public int Clear(DateTimeOffset olderThan)
    {
        var old = new DirectoryInfo(Path.Combine(_root, Temporary)).EnumerateFiles().Where(file => file.LastWriteTimeUtc < olderThan.UtcDateTime).ToList();
        foreach (var file in old)
            Try(file.Name, file.Delete);
        return old.Count;
    }

    /// <summary>Closes the files that are open for reading.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            foreach (var handle in _open.Values)
                handle.Dispose();
            _open.Clear();
            _openOrder.Clear();
        }
    }

    private string PathOf(string name) => Path.Combine(_root, StoreNames.PathOf(name));

    /// <summary>Packs are read in many small pieces: the newest files stay open. Only they never change; what may be replaced is opened anew each time.</summary>
    private SafeFileHandle Open(string name)
    {
        var keep = StoreNames.IsHash(name);
        lock (_gate)
        {
            if (_open.TryGetValue(name, out var known) && keep)
                return known;
            var handle = File.OpenHandle(PathOf(name), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            if (_open.Remove(name, out var old))
                old.Dispose();
            else
                _openOrder.Enqueue(name);
            _open[name] = handle;
            while (_openOrder.Count > OpenFiles)
                if (_open.Remove(_openOrder.Dequeue(), out var oldest))
                    oldest.Dispose();
            return handle;
        }
    }

    private void Forget(string name)
    {
        lock (_gate)
            if (_open.TryGetValue(name, out var handle) && _open.Remove(name))
                handle.Dispose();
    }

    private static void Try(string name, Action action)
    {
        try
        {
            action();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw WorkspaceException.Io($"{name}: {exception.Message}", exception);
        }
    }

    private sealed class Upload : IBlobUpload
    {
        private readonly FolderBlobStore _store;
        private readonly string _path;
        private SafeFileHandle? _file;
        private long _length;

        public Upload(FolderBlobStore store)
        {
            _store = store;
            _path = Path.Combine(store._root, Temporary, $"{Environment.ProcessId}-{Interlocked.Increment(ref store._number)}-{Guid.NewGuid():n}");
        }

        public ValueTask AppendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Try(_path, () =>
            {
                _file ??= CreateFile();
                RandomAccess.Write(_file, bytes.Span, _length);
                _length += bytes.Length;
            });
            return ValueTask.CompletedTask;
        }

        public ValueTask CommitAsync(string name, CancellationToken cancellationToken)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Commit(name, BlobPut.IfAbsent);
            return ValueTask.CompletedTask;
        }

        public bool Commit(string name, BlobPut how)
        {
            var (path, put) = (_store.PathOf(name), false);
            Try(name, () =>
            {
                _file ??= CreateFile();
                if (how != BlobPut.Fleeting)
                    RandomAccess.FlushToDisk(_file);
                _file.Dispose();
                var folder = Path.GetDirectoryName(path)!;
                MakeFolder(folder, how);
                put = Files.Rename(_path, path, replace: how == BlobPut.Replace);
                if (how != BlobPut.Fleeting)
                    Files.SyncFolder(folder);
            });
            return put;
        }

        public ValueTask DisposeAsync()
        {
            if (_file is not null)
            {
                _file.Dispose();
                Try(_path, () => File.Delete(_path)); // gone already when it got its name
            }

            return ValueTask.CompletedTask;
        }

        private void MakeFolder(string folder, BlobPut how)
        {
            if (Directory.Exists(folder))
                return;
            Directory.CreateDirectory(folder, Private | UnixFileMode.UserExecute);
            if (how == BlobPut.Fleeting)
                return;
            for (var parent = Path.GetDirectoryName(folder); parent is not null && parent.Length >= _store._root.Length; parent = Path.GetDirectoryName(parent))
                Files.SyncFolder(parent);
        }

        private SafeFileHandle CreateFile()
        {
            using (new FileStream(_path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = Private, BufferSize = 0 }))
                return File.OpenHandle(_path, FileMode.Open, FileAccess.Write, FileShare.Read | FileShare.Delete);
        }
    }
}

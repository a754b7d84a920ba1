namespace Marionette.Workspaces;

/// <summary>What is to be done: full batches first, then the newest folder, so that few folders are begun and not ended. Ends when nothing is left and nobody can bring more.</summary>
internal sealed class WorkQueue<TFolder>
    where TFolder : class
{
    private readonly Lock _gate = new();
    private readonly Stack<TFolder> _folders = new();
    private readonly Queue<ChunkBatch> _batches = new();
    private readonly Stack<ChunkBatch> _free = new();
    private readonly HashSet<int> _descriptors = [];
    private readonly SemaphoreSlim _ready = new(0);
    private int _open, _waiting;

    /// <summary>Batches that wait.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>A folder counts as open until <see cref="Done"/>.</summary>
    public void Push(TFolder folder)
    {
        lock (_gate)
        {
            _open++;
            _folders.Push(folder);
        }

        _ready.Release();
    }

    public void Push(ChunkBatch batch)
    {
        lock (_gate)
        {
            _open++;
            _waiting++;
            _batches.Enqueue(batch);
        }

        _ready.Release();
    }

    public void Done()
    {
        lock (_gate)
            if (--_open > 0)
                return;
        _ready.Release();
    }

    /// <summary>Waits for work; both null: there will be none.</summary>
    public async ValueTask<(ChunkBatch? Batch, TFolder? Folder)> TakeAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await _ready.WaitAsync(cancellationToken).ConfigureAwait(false);
            lock (_gate)
            {
                if (_batches.TryDequeue(out var batch))
                {
                    _waiting--;
                    return (batch, null);
                }

                if (_folders.TryPop(out var folder))
                    return (null, folder);
                if (_open > 0)
                    continue; // another took it without waiting
            }

            _ready.Release(); // the other workers are to see it as well
            return (null, null);
        }
    }

    /// <summary>A waiting batch, for a worker that would otherwise add to a long queue.</summary>
    public ChunkBatch? TryTakeBatch()
    {
        lock (_gate)
        {
            if (!_batches.TryDequeue(out var batch))
                return null;
            _waiting--;
            return batch;
        }
    }

    /// <summary>An open folder, to be closed by <see cref="Close"/>, or after a failure.</summary>
    public void Opened(int descriptor)
    {
        lock (_gate)
            _descriptors.Add(descriptor);
    }

    public void Close(int descriptor)
    {
        lock (_gate)
            _descriptors.Remove(descriptor);
        Libc.Close(descriptor);
    }

    /// <summary>After a failure, when nobody works any more: closes the folders that were begun and not ended.</summary>
    public void CloseAll()
    {
        foreach (var descriptor in _descriptors)
            Libc.Close(descriptor);
        _descriptors.Clear();
    }

    public ChunkBatch Rent(int size)
    {
        lock (_gate)
            if (_free.TryPop(out var batch))
                return batch;
        return new ChunkBatch(size);
    }

    public void Return(ChunkBatch batch)
    {
        batch.Clear();
        lock (_gate)
            _free.Push(batch);
    }
}

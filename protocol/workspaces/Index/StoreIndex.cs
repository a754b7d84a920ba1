using System.Buffers.Binary;

namespace Marionette.Workspaces;

/// <summary>An index that lies in the store itself: an object for each upload, all read at first use. Packs tell the same of themselves, so it can be made anew.</summary>
public sealed class StoreIndex(IBlobStore store) : IChunkIndex
{
    private const int HeaderSize = 8, SumSize = 16, PackHead = 32 + 4, Limit = 1 << 30;

    private readonly SemaphoreSlim _gate = new(1);
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);
    private volatile State? _state;

    private static ReadOnlySpan<byte> Magic => "MWIX\u0001\0\0\0"u8;

    /// <inheritdoc/>
    public async ValueTask FindAsync(ReadOnlyMemory<ChunkId> ids, Memory<ChunkLocation?> found, CancellationToken cancellationToken)
    {
        var state = _state ?? await LoadAsync(cancellationToken).ConfigureAwait(false);
        state.Find(ids.Span, found.Span);
    }

    /// <inheritdoc/>
    public async Task AddAsync(IReadOnlyList<PackContents> packs, CancellationToken cancellationToken)
    {
        if (packs.Count == 0)
            return;
        var content = Write(packs);
        var hash = new byte[32];
        Keyed.Plain(content, hash);
        var name = StoreNames.Indexes + Convert.ToHexStringLower(hash);
        await store.PutAsync(name, content, BlobPut.IfAbsent, cancellationToken).ConfigureAwait(false);
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            _read.Add(name);
            _state?.Add(packs);
            if (_state is null)
                _read.Remove(name); // read with the others, should anyone ask
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <inheritdoc/>
    public async Task RemoveAsync(IReadOnlyCollection<string> packs, CancellationToken cancellationToken)
    {
        var gone = packs.ToHashSet(StringComparer.Ordinal);
        await foreach (var info in store.ListAsync(StoreNames.Indexes, cancellationToken).ConfigureAwait(false))
        {
            if (await ReadAsync(info.Name, cancellationToken).ConfigureAwait(false) is not { } contents || !contents.Any(pack => gone.Contains(pack.Name)))
                continue;
            // First what stays, then the old object away: at no moment is a living pack unknown.
            await AddAsync([.. contents.Where(pack => !gone.Contains(pack.Name))], cancellationToken).ConfigureAwait(false);
            await store.DeleteAsync(info.Name, cancellationToken).ConfigureAwait(false);
        }

        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        Forget();
        _gate.Release();
    }

    /// <inheritdoc/>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        Forget();
        _gate.Release();
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyCollection<PackContents>> ListPacksAsync(CancellationToken cancellationToken) =>
        (_state ?? await LoadAsync(cancellationToken).ConfigureAwait(false)).Packs();

    /// <summary>Makes the index anew from the packs themselves.</summary>
    /// <returns>How many packs there are.</returns>
    public async Task<int> RebuildAsync(CancellationToken cancellationToken)
    {
        var packs = new List<PackContents>();
        await foreach (var info in store.ListAsync(StoreNames.Packs, cancellationToken).ConfigureAwait(false))
            packs.Add(await PackReader.ReadListAsync(store, StoreNames.Last(info.Name), cancellationToken).ConfigureAwait(false));
        var old = new List<string>();
        await foreach (var info in store.ListAsync(StoreNames.Indexes, cancellationToken).ConfigureAwait(false))
            old.Add(info.Name);
        await AddAsync(packs, cancellationToken).ConfigureAwait(false);
        var content = packs.Count == 0 ? null : StoreNames.Indexes + NameOf(packs);
        foreach (var name in old.Where(name => name != content))
            await store.DeleteAsync(name, cancellationToken).ConfigureAwait(false);
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        Forget();
        _gate.Release();
        return packs.Count;
    }

    /// <summary>Read again when someone asks.</summary>
    private void Forget()
    {
        _state = null;
        _read.Clear();
    }

    private static string NameOf(IReadOnlyList<PackContents> packs)
    {
        var hash = new byte[32];
        Keyed.Plain(Write(packs), hash);
        return Convert.ToHexStringLower(hash);
    }

    private async Task<State> LoadAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_state is { } there)
                return there;
            var state = new State();
            await foreach (var info in store.ListAsync(StoreNames.Indexes, cancellationToken).ConfigureAwait(false))
            {
                if (_read.Contains(info.Name) || await ReadAsync(info.Name, cancellationToken).ConfigureAwait(false) is not { } packs)
                    continue;
                state.Add(packs);
                _read.Add(info.Name);
            }

            return _state = state;
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task<List<PackContents>?> ReadAsync(string name, CancellationToken cancellationToken) =>
        await store.ReadWholeAsync(name, Limit, cancellationToken).ConfigureAwait(false) is { } content ? Read(name, content) : null;

    internal static byte[] Write(IReadOnlyList<PackContents> packs)
    {
        var content = new byte[HeaderSize + packs.Sum(pack => PackHead + (pack.Entries.Count * PackFormat.EntrySize)) + SumSize];
        Magic.CopyTo(content);
        var at = HeaderSize;
        foreach (var pack in packs)
        {
            Convert.FromHexString(pack.Name).CopyTo(content, at);
            BinaryPrimitives.WriteInt32LittleEndian(content.AsSpan(at + 32), pack.Entries.Count);
            at += PackHead;
            PackFormat.WriteEntries(pack.Entries, content.AsSpan(at));
            at += pack.Entries.Count * PackFormat.EntrySize;
        }

        Keyed.Plain(content.AsSpan(0, at), content.AsSpan(at));
        return content;
    }

    internal static List<PackContents> Read(string name, byte[] content)
    {
        FormatCheck.Header(content, Magic, name);
        var end = content.Length - SumSize;
        Span<byte> sum = stackalloc byte[SumSize];
        Keyed.Plain(content.AsSpan(0, Math.Max(end, 0)), sum);
        if (end < HeaderSize || !sum.SequenceEqual(content.AsSpan(end)))
            throw WorkspaceException.Corrupt($"{name} was changed; the index can be made anew from the packs.");
        var packs = new List<PackContents>();
        for (var at = HeaderSize; at < end;)
        {
            var count = end - at < PackHead ? -1 : BinaryPrimitives.ReadInt32LittleEndian(content.AsSpan(at + 32));
            if (count < 0 || (long)count * PackFormat.EntrySize > end - at - PackHead)
                throw WorkspaceException.Corrupt($"{name} says something impossible.");
            var pack = Convert.ToHexStringLower(content.AsSpan(at, 32));
            at += PackHead;
            packs.Add(new PackContents(pack, PackFormat.ReadEntries(name, content.AsSpan(at, count * PackFormat.EntrySize))));
            at += count * PackFormat.EntrySize;
        }

        return packs;
    }

    private readonly record struct Place(int Pack, int Offset, int StoredLength, int PlainLength, ChunkType Type, ChunkMethod Method);

    /// <summary>One lock: it is held for a look at a dictionary.</summary>
    private sealed class State
    {
        private readonly Lock _gate = new();
        private readonly Dictionary<ChunkId, Place> _chunks = [];
        private readonly List<PackContents> _packs = [];
        private readonly HashSet<string> _names = new(StringComparer.Ordinal);

        public void Add(IEnumerable<PackContents> packs)
        {
            lock (_gate)
            {
                foreach (var pack in packs)
                {
                    if (!_names.Add(pack.Name))
                        continue;
                    var offset = PackFormat.HeaderSize;
                    foreach (var entry in pack.Entries)
                    {
                        _chunks.TryAdd(entry.Id, new Place(_packs.Count, offset, entry.StoredLength, entry.PlainLength, entry.Type, entry.Method));
                        offset += entry.StoredLength;
                    }

                    _packs.Add(pack);
                }
            }
        }

        public void Find(ReadOnlySpan<ChunkId> ids, Span<ChunkLocation?> found)
        {
            lock (_gate)
            {
                for (var i = 0; i < ids.Length; i++)
                {
                    found[i] = _chunks.TryGetValue(ids[i], out var place)
                        ? new ChunkLocation
                        {
                            Pack = _packs[place.Pack].Name, Offset = place.Offset, StoredLength = place.StoredLength, PlainLength = place.PlainLength, Type = place.Type, Method = place.Method,
                        }
                        : null;
                }
            }
        }

        public IReadOnlyCollection<PackContents> Packs()
        {
            lock (_gate)
                return [.. _packs];
        }
    }
}

using Blake3;

namespace Marionette.Workspaces;

/// <summary>Appends sealed chunks to a pack that the store receives while it grows, so that no pack stands in memory.</summary>
internal sealed class PackWriter : IAsyncDisposable
{
    private const int BufferSize = 256 * 1024;

    private readonly IBlobUpload _upload;
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(BufferSize);
    private readonly List<PackEntry> _entries = [];
    private Hasher _hasher = Hasher.New();
    private int _buffered;

    private PackWriter(IBlobUpload upload) => _upload = upload;

    public long Length { get; private set; }

    public static async ValueTask<PackWriter> BeginAsync(IBlobStore store, CancellationToken cancellationToken)
    {
        var writer = new PackWriter(await store.BeginAsync(cancellationToken).ConfigureAwait(false));
        await writer.WriteAsync(PackFormat.Header.ToArray(), cancellationToken).ConfigureAwait(false);
        return writer;
    }

    public ValueTask AppendAsync(PackEntry entry, ReadOnlyMemory<byte> stored, CancellationToken cancellationToken)
    {
        _entries.Add(entry);
        return WriteAsync(stored, cancellationToken);
    }

    /// <summary>Writes the list; afterwards the pack is stored durably.</summary>
    public async Task<PackContents> CommitAsync(CancellationToken cancellationToken)
    {
        await WriteAsync(PackFormat.WriteFooter(_entries), cancellationToken).ConfigureAwait(false);
        await FlushAsync(cancellationToken).ConfigureAwait(false);
        var name = new byte[32];
        _hasher.Finalize(name);
        var contents = new PackContents(Convert.ToHexStringLower(name), _entries);
        await _upload.CommitAsync(StoreNames.Pack(contents.Name), cancellationToken).ConfigureAwait(false);
        return contents;
    }

    public ValueTask DisposeAsync()
    {
        _hasher.Dispose();
        return _upload.DisposeAsync();
    }

    private async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        Length += bytes.Length;
        while (!bytes.IsEmpty)
        {
            if (_buffered == BufferSize)
                await FlushAsync(cancellationToken).ConfigureAwait(false);
            var count = Math.Min(BufferSize - _buffered, bytes.Length);
            bytes.Span[..count].CopyTo(_buffer.AsSpan(_buffered));
            _buffered += count;
            bytes = bytes[count..];
        }
    }

    private async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        var filled = _buffer.AsMemory(0, _buffered);
        _hasher.Update<byte>(filled.Span);
        await _upload.AppendAsync(filled, cancellationToken).ConfigureAwait(false);
        _buffered = 0;
    }
}

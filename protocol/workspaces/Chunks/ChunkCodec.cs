using ZstdSharp;
using ZstdSharp.Unsafe;

namespace Marionette.Workspaces;

/// <summary>Compresses and seals, opens and unpacks. Holds buffers and the compressor's tables; one at a time may use it.</summary>
internal sealed class ChunkCodec(int level = ChunkCodec.DefaultLevel) : IDisposable
{
    /// <summary>The compressor's own default: measured in ADR 4.</summary>
    public const int DefaultLevel = 3;

    private readonly Lazy<Compressor> _compressor = new(() => NewCompressor(level));
    private readonly Lazy<Decompressor> _decompressor = new(() => new Decompressor());
    private byte[] _scratch = [];

    /// <summary>Seals into the target, which grows when it must.</summary>
    public (int StoredLength, ChunkMethod Method) Seal(ChunkRef reference, ChunkType type, ReadOnlySpan<byte> plain, ref byte[] target)
    {
        Span<byte> key = stackalloc byte[32];
        Span<byte> associated = stackalloc byte[ChunkFormat.AssociatedSize];
        var id = reference.Derive(type, key);
        // No more room than the content itself: what does not shrink is stored as it is.
        Grow(ref _scratch, plain.Length);
        var packed = 0;
        var shrinks = plain.Length > 16 && _compressor.Value.TryWrap(plain, _scratch.AsSpan(0, plain.Length - 1), out packed);
        var method = shrinks ? ChunkMethod.Zstd : ChunkMethod.Raw;
        var content = method == ChunkMethod.Zstd ? _scratch.AsSpan(0, packed) : plain;
        Grow(ref target, content.Length + ChunkFormat.Overhead);
        ChunkFormat.Associated(associated, id, type, method, plain.Length);
        return (ChunkFormat.Seal(key, associated, content, target), method);
    }

    /// <summary>Opens a stored chunk into the target, which it fills.</summary>
    /// <exception cref="WorkspaceException">Corrupt.</exception>
    public void Open(ChunkRef reference, ChunkId id, in ChunkLocation location, ReadOnlySpan<byte> stored, Span<byte> target)
    {
        Span<byte> key = stackalloc byte[32];
        Span<byte> associated = stackalloc byte[ChunkFormat.AssociatedSize];
        reference.Derive(location.Type, key);
        ChunkFormat.Associated(associated, id, location.Type, location.Method, location.PlainLength);
        var inner = stored.Length - ChunkFormat.Overhead;
        if (location.Method == ChunkMethod.Raw)
        {
            if (inner != target.Length || !ChunkFormat.Open(key, associated, stored, target))
                throw Damaged(id, location);
            return;
        }

        Grow(ref _scratch, Math.Max(inner, 0));
        if (location.Method != ChunkMethod.Zstd || !ChunkFormat.Open(key, associated, stored, _scratch))
            throw Damaged(id, location);
        try
        {
            if (!_decompressor.Value.TryUnwrap(_scratch.AsSpan(0, inner), target, out var written) || written != target.Length)
                throw Damaged(id, location);
        }
        catch (ZstdException exception)
        {
            throw WorkspaceException.Corrupt($"Chunk {id} in pack {location.Pack} does not unpack.", exception);
        }
    }

    public void Dispose()
    {
        if (_compressor.IsValueCreated)
            _compressor.Value.Dispose();
        if (_decompressor.IsValueCreated)
            _decompressor.Value.Dispose();
    }

    internal static void Grow(ref byte[] buffer, int size)
    {
        if (buffer.Length < size)
            buffer = GC.AllocateUninitializedArray<byte>((int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(size, 4096)));
    }

    private static WorkspaceException Damaged(ChunkId id, in ChunkLocation location) => WorkspaceException.Corrupt($"Chunk {id} in pack {location.Pack} does not open: its bytes were changed.");

    private static Compressor NewCompressor(int level)
    {
        var compressor = new Compressor(level);
        // The length stands beside the chunk, and the seal tells of every changed bit.
        compressor.SetParameter(ZSTD_cParameter.ZSTD_c_contentSizeFlag, 0);
        compressor.SetParameter(ZSTD_cParameter.ZSTD_c_checksumFlag, 0);
        return compressor;
    }
}

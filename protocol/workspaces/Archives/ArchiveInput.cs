using System.IO.Compression;
using ZstdSharp;
using ZstdSharp.Unsafe;

namespace Marionette.Workspaces;

/// <summary>An archive's bytes as they come: what was looked at already, then the rest, then what is put behind it. Counted, and its faults told apart
/// from those of what is packed in it.</summary>
internal sealed class ArchiveSource(Stream inner, byte[] head, byte[] tail, long limit) : Stream
{
    private int _head, _tail;
    private bool _ended;

    public long Count { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_head < head.Length)
            return Counted(Take(head, ref _head, buffer));
        if (!_ended && !buffer.IsEmpty)
        {
            try
            {
                if (await inner.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is var count and > 0)
                    return Counted(count);
            }
            catch (IOException exception)
            {
                throw WorkspaceException.Io($"The archive could not be read: {exception.Message}", exception);
            }

            _ended = true;
        }

        return Take(tail, ref _tail, buffer);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private int Counted(int count)
    {
        Count += count;
        return Count <= limit ? count : throw new WorkspaceException(WorkspaceFault.Limit, $"The archive itself has more than {limit} bytes.");
    }

    private static int Take(byte[] from, ref int at, Memory<byte> buffer)
    {
        var count = Math.Min(from.Length - at, buffer.Length);
        from.AsMemory(at, count).CopyTo(buffer);
        at += count;
        return count;
    }
}

/// <summary>What is packed in an archive, unpacked and counted: a bomb ends here.</summary>
internal sealed class ArchiveInput : IDisposable
{
    /// <summary>Archives of little things may well be packed better than the limit says.</summary>
    private const long RatioFrom = 64L << 20;

    /// <summary>Memory of 32 MiB; what the levels up to 20 write.</summary>
    private const int MaxWindowLog = 25;

    /// <summary>
    /// Put behind a gzip as one more member: only when the archive is whole does it come out at the end, because the base library takes an archive
    /// that was cut off for one that has ended.
    /// </summary>
    private static readonly byte[] EndMark = "marionette: whole"u8.ToArray(), PackedMark = Pack(EndMark);

    private readonly ArchiveSource _source;
    private readonly Stream _unpacked;
    private readonly int _maxRatio;
    private readonly bool _isPacked, _isMarked;
    private long _count;

    public ArchiveInput(ArchiveKind kind, Stream archive, byte[] head, ImportOptions options)
    {
        (_maxRatio, _isPacked, _isMarked) = (options.MaxRatio, kind != ArchiveKind.Tar, kind == ArchiveKind.TarGzip);
        _source = new ArchiveSource(archive, head, _isMarked ? PackedMark : [], options.MaxArchiveBytes);
        _unpacked = kind switch
        {
            ArchiveKind.TarGzip => new GZipStream(_source, CompressionMode.Decompress),
            ArchiveKind.TarZstd => Zstd(_source),
            _ => _source,
        };
    }

    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int count;
        try
        {
            count = await _unpacked.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not (WorkspaceException or OperationCanceledException) && _isPacked)
        {
            throw new WorkspaceException(WorkspaceFault.Invalid, "The archive is damaged, or was cut off: it does not unpack.", exception);
        }

        _count += count;
        CheckRatio(_count, _source.Count, _maxRatio);
        return count;
    }

    /// <summary>Reads to the end, so that an archive that was cut off behind its last entry is found as well.</summary>
    public async ValueTask EndAsync(ImportTally tally, CancellationToken cancellationToken)
    {
        if (!_isPacked)
            return;
        var buffer = new byte[64 * 1024];
        var last = new byte[EndMark.Length];
        while (await ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is var count and > 0)
        {
            tally.Other(count);
            var fresh = Math.Min(count, last.Length);
            last.AsSpan(fresh).CopyTo(last);
            buffer.AsSpan(count - fresh, fresh).CopyTo(last.AsSpan(last.Length - fresh));
        }

        if (_isMarked && !last.AsSpan().SequenceEqual(EndMark))
            throw new WorkspaceException(WorkspaceFault.Invalid, "The archive was cut off, or something stands behind it.");
    }

    /// <exception cref="WorkspaceException">Limit.</exception>
    public static void CheckRatio(long unpacked, long packed, int maxRatio)
    {
        if (unpacked > RatioFrom && unpacked / maxRatio > packed)
            throw new WorkspaceException(WorkspaceFault.Limit, $"The archive unpacks to more than {maxRatio} times its size.");
    }

    public void Dispose()
    {
        _unpacked.Dispose();
        _source.Dispose();
    }

    private static DecompressionStream Zstd(Stream source)
    {
        var stream = new DecompressionStream(source);
        stream.SetParameter(ZSTD_dParameter.ZSTD_d_windowLogMax, MaxWindowLog);
        return stream;
    }

    private static byte[] Pack(byte[] content)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Optimal))
            gzip.Write(content);
        return packed.ToArray();
    }
}

namespace Marionette.Workspaces;

/// <summary>A part of a stream, read forward.</summary>
internal sealed class ZipPart(Stream whole, long at, long length) : Stream
{
    private long _done;

    public bool IsAtEnd => _done == length;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => length;

    public override long Position { get => _done; set => throw new NotSupportedException(); }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (IsAtEnd)
            return 0;
        whole.Position = at + _done;
        var count = await whole.ReadAsync(buffer[..(int)Math.Min(buffer.Length, length - _done)], cancellationToken).ConfigureAwait(false);
        _done += count;
        return count;
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
}

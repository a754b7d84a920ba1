using System.Buffers;

namespace Marionette.Agent.Processes;

/// <summary>
/// Cuts a stream into lines without a limit on how the bytes arrive. Memory follows the longest line and is given back after it.
/// </summary>
/// <param name="stream">What to read.</param>
/// <param name="maxLine">Longest piece that is handed out; a longer line comes in several.</param>
internal sealed class LineReader(Stream stream, int maxLine) : IDisposable
{
    private const int Initial = 32 * 1024;

    private byte[] buffer = [];
    private int start;
    private int end;
    private int scanned;
    private bool ended;

    /// <summary>Reads more bytes.</summary>
    /// <returns>False at the end of the stream; a last line without a line feed can still be taken then.</returns>
    public async ValueTask<bool> FillAsync(CancellationToken cancellationToken)
    {
        if (ended)
            return false;
        Compact();
        var read = await stream.ReadAsync(buffer.AsMemory(end), cancellationToken).ConfigureAwait(false);
        end += read;
        ended = read == 0;
        return !ended;
    }

    /// <summary>Takes the next line, without its line feed; it is valid until the next <see cref="FillAsync"/>.</summary>
    /// <param name="line">The bytes.</param>
    /// <param name="partial">The line goes on: the next one taken is its continuation.</param>
    public bool TryTake(out ReadOnlyMemory<byte> line, out bool partial)
    {
        partial = false;
        var feed = buffer.AsSpan(scanned, end - scanned).IndexOf((byte)'\n');
        var length = feed >= 0 ? scanned + feed - start : end - start;
        if (length > maxLine)
        {
            length = WholeCharacters(buffer.AsSpan(start, maxLine));
            line = buffer.AsMemory(start, length);
            partial = true;
            start += length;
            scanned = start;
            return true;
        }

        line = buffer.AsMemory(start, length);
        if (feed >= 0)
        {
            start += length + 1;
            scanned = start;
            return true;
        }

        scanned = end;
        if (!ended || length == 0)
            return false;
        start = scanned = end;
        return true;
    }

    public void Dispose()
    {
        if (buffer.Length > 0)
            ArrayPool<byte>.Shared.Return(buffer);
        buffer = [];
        start = end = scanned = 0;
        ended = true;
    }

    // A piece must not end inside a UTF-8 sequence, or both halves would read as garbage.
    private static int WholeCharacters(ReadOnlySpan<byte> bytes)
    {
        var length = bytes.Length;
        for (var back = 1; back <= 3 && back < length; back++)
        {
            var value = bytes[length - back];
            if ((value & 0xC0) == 0x80)
                continue;
            var needs = value >= 0xF0 ? 4 : value >= 0xE0 ? 3 : value >= 0xC0 ? 2 : 1;
            return needs > back ? length - back : length;
        }

        return length;
    }

    private void Compact()
    {
        var held = end - start;
        var target = held + Initial <= buffer.Length && (held >= Initial || buffer.Length <= 16 * Initial)
            ? buffer
            : ArrayPool<byte>.Shared.Rent(Math.Max(Initial * 2, held * 2));
        if (start > 0 || !ReferenceEquals(target, buffer))
            buffer.AsSpan(start, held).CopyTo(target);
        if (!ReferenceEquals(target, buffer) && buffer.Length > 0)
            ArrayPool<byte>.Shared.Return(buffer);
        buffer = target;
        scanned -= start;
        start = 0;
        end = held;
    }
}

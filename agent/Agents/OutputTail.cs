using System.Text;

namespace Marionette.Agent.Agents;

/// <summary>The last bytes of an output. Safe for any thread.</summary>
internal sealed class OutputTail(int limit)
{
    private readonly Lock gate = new();
    private byte[] bytes = [];
    private int length;

    public void Add(ReadOnlySpan<byte> line)
    {
        lock (gate)
        {
            if (bytes.Length == 0)
                bytes = new byte[limit * 2];
            var piece = line.Length >= limit ? line[^limit..] : line;
            if (length + piece.Length + 1 > bytes.Length)
            {
                var kept = Math.Min(length, limit);
                bytes.AsSpan(length - kept, kept).CopyTo(bytes);
                length = kept;
            }

            // At most limit kept and limit added: only the line feed can be without room.
            piece.CopyTo(bytes.AsSpan(length));
            length += piece.Length;
            if (length < bytes.Length)
                bytes[length++] = (byte)'\n';
        }
    }

    public void Clear()
    {
        lock (gate)
            length = 0;
    }

    /// <summary>The text, without a character cut in half at its start.</summary>
    public override string ToString()
    {
        lock (gate)
        {
            var kept = bytes.AsSpan(0, length);
            if (kept.Length > limit)
                kept = kept[^limit..];
            while (kept.Length > 0 && (kept[0] & 0xC0) == 0x80)
                kept = kept[1..];
            return Encoding.UTF8.GetString(kept).TrimEnd('\n');
        }
    }
}

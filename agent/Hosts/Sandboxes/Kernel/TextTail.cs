using System.Text;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>The newest bytes of an output.</summary>
internal sealed class TextTail(int capacity)
{
    private readonly byte[] ring = new byte[capacity];
    private long written;

    public void Add(ReadOnlySpan<byte> bytes)
    {
        foreach (var one in bytes.Length > capacity ? bytes[^capacity..] : bytes)
            ring[written++ % capacity] = one;
    }

    public override string ToString()
    {
        if (written <= capacity)
            return Encoding.UTF8.GetString(ring, 0, (int)written);
        var start = (int)(written % capacity);
        return Encoding.UTF8.GetString([.. ring.AsSpan(start), .. ring.AsSpan(0, start)]);
    }
}

using System.Buffers;

namespace Marionette.Agent.Egress.Relay;

/// <summary>
/// Buffers for a runner's connections. Those that carry much get large ones while the runner's share lasts, then small ones, which
/// always are to be had: thousands of stalled connections stay cheap, and none stands still for want of a buffer.
/// </summary>
internal sealed class BufferBudget
{
    private const int Large = 256 * 1024;
    private const int Small = 8 * 1024;
    private const long Share = 32L * 1024 * 1024;

    private long used;

    public byte[] Rent(bool large)
    {
        if (large && Interlocked.Add(ref used, Large) <= Share)
            return ArrayPool<byte>.Shared.Rent(Large);
        if (large)
            Interlocked.Add(ref used, -Large);
        return ArrayPool<byte>.Shared.Rent(Small);
    }

    public void Return(byte[] buffer)
    {
        if (buffer.Length >= Large)
            Interlocked.Add(ref used, -Large);
        ArrayPool<byte>.Shared.Return(buffer);
    }
}

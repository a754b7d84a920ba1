namespace Marionette.Agent.Egress.Relay;

/// <summary>Bounds the datagrams of a runner that wait until their flows are open.</summary>
internal sealed class WaitingRoom
{
    private const int Most = 1024 * 1024;
    private const int Overhead = 128;

    private long taken;

    /// <summary>Takes room for a datagram; false when there is none, and it is lost.</summary>
    public bool TryEnter(int length)
    {
        if (Interlocked.Add(ref taken, length + Overhead) <= Most)
            return true;
        Leave(length);
        return false;
    }

    public void Leave(int length) => Interlocked.Add(ref taken, -length - Overhead);
}

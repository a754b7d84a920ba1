using Marionette.Agent.Egress.Namespaces;

namespace Marionette.Agent.Egress;

/// <summary>
/// Peer namespaces made ahead: their rules are the same for every runner and take most of the time of attaching one. A few are
/// enough; when many runners come at once, the rest wait for theirs to be made.
/// </summary>
internal sealed class PeerStock : IDisposable
{
    private const int Most = 4;

    private readonly Lock gate = new();
    private readonly Queue<PeerNamespace> ready = new();
    private bool isFilling;
    private bool isClosed;

    /// <summary>Takes one, or makes one.</summary>
    /// <exception cref="IOException">What this machine cannot do.</exception>
    public PeerNamespace Take()
    {
        PeerNamespace? taken;
        lock (gate)
            ready.TryDequeue(out taken);
        Fill();
        return taken ?? PeerNamespace.Create();
    }

    /// <summary>Makes what is missing, on a thread of its own.</summary>
    public void Fill()
    {
        lock (gate)
        {
            if (isFilling || isClosed || ready.Count >= Most)
                return;
            isFilling = true;
        }

        new Thread(MakeAll) { IsBackground = true, Name = "peers" }.Start();
    }

    public void Dispose()
    {
        lock (gate)
        {
            isClosed = true;
            while (ready.TryDequeue(out var peer))
                peer.Dispose();
        }
    }

    private void MakeAll()
    {
        while (true)
        {
            PeerNamespace? made = null;
            try
            {
                made = PeerNamespace.Create();
            }
            catch (IOException)
            {
                // Whoever needs one next tries it again and tells why.
            }

            lock (gate)
            {
                if (made is not null && !isClosed)
                    ready.Enqueue(made);
                else
                    made?.Dispose();
                if (made is not null && !isClosed && ready.Count < Most)
                    continue;
                isFilling = false;
                return;
            }
        }
    }
}

using Marionette.Protocol.V1;

namespace Marionette.Agent.Runs;

/// <summary>The newest setup. It holds the model credential, so it lives in memory alone.</summary>
internal sealed class SetupHolder
{
    private readonly Lock gate = new();
    private Setup current = new();
    private string? conversation;

    public Setup Current => Volatile.Read(ref current);

    public void Set(Setup setup)
    {
        lock (gate)
        {
            if (conversation is not null)
                setup.Conversation = conversation;
            Volatile.Write(ref current, setup);
        }
    }

    /// <summary>The conversation that a restored home has, whatever the server says: it knows of one that may have been lost.</summary>
    /// <param name="restored">Empty = none, a new one begins.</param>
    public void GoOnIn(string restored)
    {
        lock (gate)
        {
            conversation = restored;
            var changed = current.Clone();
            changed.Conversation = restored;
            Volatile.Write(ref current, changed);
        }
    }
}

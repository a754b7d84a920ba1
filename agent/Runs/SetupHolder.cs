using Marionette.Protocol.V1;

namespace Marionette.Agent.Runs;

/// <summary>The newest setup. It holds the model credential, so it lives in memory alone.</summary>
internal sealed class SetupHolder
{
    private Setup current = new();

    public Setup Current => Volatile.Read(ref current);

    public void Set(Setup setup) => Volatile.Write(ref current, setup);
}

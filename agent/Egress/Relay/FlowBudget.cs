namespace Marionette.Agent.Egress.Relay;

/// <summary>How many UDP flows there may be at once; each holds two files.</summary>
/// <param name="ofOne">Of one runner.</param>
/// <param name="ofAll">Of all runners together.</param>
internal sealed class FlowBudget(int ofOne, int ofAll)
{
    private int taken;

    public int OfOne { get; } = ofOne;

    /// <summary>Takes one of all; false when none is left.</summary>
    public bool TryTake()
    {
        if (Interlocked.Increment(ref taken) <= ofAll)
            return true;
        Return();
        return false;
    }

    public void Return() => Interlocked.Decrement(ref taken);
}

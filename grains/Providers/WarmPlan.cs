namespace Marionette.Providers;

/// <summary>What a warm pool needs now: pure, so that it is tested without a backend.</summary>
internal static class WarmPlan
{
    /// <summary>
    /// Slots to make and slots to remove. Those of an older revision and those that have lived long enough go; what is missing to the wanted
    /// number comes, as quickly as the refill allows.
    /// </summary>
    /// <param name="pool">Its settings.</param>
    /// <param name="revision">Revision that starts ask for.</param>
    /// <param name="slots">Unclaimed slots of the pool, the oldest first.</param>
    /// <param name="making">Slots under way.</param>
    /// <param name="claimedLately">Claims of the last minute: a pool that is drained grows towards its maximum.</param>
    /// <param name="madeLately">Slots made in the last minute.</param>
    /// <param name="now">Now.</param>
    public static (int Make, IReadOnlyList<string> Remove) Of(
        WarmPoolOptions pool, string revision, IReadOnlyList<WarmSlot> slots, int making, int claimedLately, int madeLately, DateTimeOffset now)
    {
        var remove = new List<string>();
        var ready = 0;
        foreach (var slot in slots)
        {
            if (slot.Revision != revision || now - slot.CreatedAt > pool.Lifetime) remove.Add(slot.SlotId);
            else ready++;
        }

        var max = Math.Max(pool.Max ?? pool.Min, pool.Min);
        var wanted = Math.Clamp(claimedLately, pool.Min, max);
        // The newest go: the oldest are the next to be claimed.
        foreach (var slot in slots.Reverse())
        {
            if (ready <= max) break;
            if (remove.Contains(slot.SlotId)) continue;
            remove.Add(slot.SlotId);
            ready--;
        }

        return (Math.Max(0, Math.Min(wanted - ready - making, pool.RefillPerMinute - madeLately)), remove);
    }
}

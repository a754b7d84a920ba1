namespace Marionette.Agent.Egress;

/// <summary>Why something was held back. The names are those of the protocol.</summary>
internal enum BlockedReason
{
    /// <summary>No entry names it.</summary>
    NotListed,

    /// <summary>An address of a private network or of this machine, and no entry names that.</summary>
    Private,

    /// <summary>A cloud's metadata service.</summary>
    Metadata,

    /// <summary>Neither TCP, UDP nor DNS, UDP where only TCP may go, or a malformed name.</summary>
    Protocol,

    /// <summary>A TLS connection to one name that asks for another.</summary>
    NameMismatch,

    /// <summary>More connections, or UDP flows, at once than a runner may have.</summary>
    Limit,

    /// <summary>More targets at once than are told one by one.</summary>
    Others,
}

/// <summary>What was held back.</summary>
/// <param name="Target">Name, or address where no name was asked for.</param>
/// <param name="Port">0 where the protocol has none.</param>
/// <param name="Protocol">"tcp", "udp", "dns", "icmp", "other".</param>
internal readonly record struct BlockedTarget(string Target, int Port, string Protocol, BlockedReason Reason);

/// <summary>
/// Turns denials into notices: the first of a target at once, then at most one in <see cref="Interval"/> with the number since. A
/// loop of attempts is not a flood of notices, nor are attempts at thousands of targets.
/// </summary>
/// <param name="tell">Takes a notice and its count; false when it has no room now, and it comes again.</param>
internal sealed class BlockedLog(Func<BlockedTarget, int, bool> tell, TimeProvider clock)
{
    public const int MaxTargets = 64;
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    private static readonly BlockedTarget Others = new("", 0, "", BlockedReason.Others);

    private readonly Lock gate = new();
    private readonly Dictionary<BlockedTarget, Entry> entries = [];

    /// <summary>Takes note of a denial.</summary>
    public void Report(BlockedTarget target)
    {
        lock (gate)
        {
            if (!entries.TryGetValue(target, out var entry))
            {
                if (entries.Count >= MaxTargets)
                {
                    target = Others;
                    entries.TryGetValue(target, out entry);
                }

                if (entry is null)
                    entries[target] = entry = new Entry();
            }

            entry.Count++;
            if (entry.Told is null)
                Tell(target, entry);
        }
    }

    /// <summary>Tells what is due and forgets what is quiet. To be called about once a second.</summary>
    public void Flush(bool all = false)
    {
        lock (gate)
        {
            foreach (var (target, entry) in entries)
            {
                if (!all && entry.Told is { } told && clock.GetElapsedTime(told) < Interval)
                    continue;
                if (entry.Count > 0)
                    Tell(target, entry);
                else
                    entries.Remove(target);
            }
        }
    }

    private void Tell(BlockedTarget target, Entry entry)
    {
        if (!tell(target, entry.Count))
            return;
        entry.Count = 0;
        entry.Told = clock.GetTimestamp();
    }

    private sealed class Entry
    {
        public int Count { get; set; }

        public long? Told { get; set; }
    }
}

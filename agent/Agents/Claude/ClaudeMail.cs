namespace Marionette.Agent.Agents.Claude;

/// <summary>
/// Messages into a running turn. Claude queues a message and reads it after the tool call at hand; when there is none, it begins
/// another turn for it, with a result of its own. So a result is the run's only when no message waits. Safe for any thread.
/// </summary>
internal sealed class ClaudeMail
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, TaskCompletionSource<string?>> unread = new(StringComparer.Ordinal);
    private RunResult? held;

    /// <summary>Ids of what Claude has not read yet.</summary>
    public IReadOnlyList<string> Unread
    {
        get
        {
            lock (gate)
                return [.. unread.Keys];
        }
    }

    /// <summary>Says that a message is on its way, before it is.</summary>
    /// <returns>Completes with null when Claude has it, else with the reason.</returns>
    public Task<string?> Expect(string id)
    {
        var taken = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (gate)
            unread[id] = taken;
        return taken.Task;
    }

    /// <summary>Claude told what became of a message.</summary>
    /// <returns>The run's result, when it had waited for this message alone and no other turn follows.</returns>
    public RunResult? Told(string id, string? state)
    {
        lock (gate)
        {
            if (!unread.TryGetValue(id, out var taken))
                return null;
            switch (state)
            {
                case "queued":
                    taken.TrySetResult(null);
                    return null;
                case "started" or "completed":
                    taken.TrySetResult(null);
                    unread.Remove(id);
                    return null;
                default:
                    taken.TrySetResult($"Claude Code has {state} the message.");
                    unread.Remove(id);
                    return TakeHeld();
            }
        }
    }

    /// <summary>Nobody waits for this message any more.</summary>
    /// <returns>As with <see cref="Told"/>.</returns>
    public RunResult? GiveUp(string id) => Told(id, "ignored");

    /// <summary>A turn ended well: keeps its result while a message waits.</summary>
    /// <returns>The sum of the run's turns when none does; null otherwise.</returns>
    public RunResult? Add(RunResult result)
    {
        lock (gate)
        {
            held = result.After(held);
            return TakeHeld();
        }
    }

    /// <summary>What the turns before came to, with this one.</summary>
    public RunResult WithEarlier(RunResult result)
    {
        lock (gate)
            return result.After(held);
    }

    private RunResult? TakeHeld() => unread.Count == 0 ? held : null;
}

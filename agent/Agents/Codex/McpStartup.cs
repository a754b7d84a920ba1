namespace Marionette.Agent.Agents.Codex;

/// <summary>How the MCP servers of a thread come up, as Codex tells it. Safe for concurrent use.</summary>
internal sealed class McpStartup
{
    private readonly Lock gate = new();
    private readonly Dictionary<(string Thread, string Server), State> known = [];
    private TaskCompletionSource changed = NewSignal();
    private bool givenUp;

    /// <summary>A thread is about to be opened: what older ones said is past.</summary>
    public void Begin()
    {
        lock (gate)
        {
            known.Clear();
            givenUp = false;
        }
    }

    /// <summary>Codex says how it stands with a server.</summary>
    /// <param name="thread">The thread; null for a server of all.</param>
    /// <param name="status"><c>starting</c>, <c>ready</c>, <c>failed</c> or <c>cancelled</c>.</param>
    public void Note(string? thread, string server, string? status, string? error) =>
        Change(() => known[(thread ?? "", server)] = new State(status != "starting", status == "failed" ? error ?? status : null));

    /// <summary>Nobody waits any more: the run is to end, or the process is gone.</summary>
    public void GiveUp() => Change(() => givenUp = true);

    /// <summary>
    /// Waits until servers are up or have failed: those that are given, and those that are known to be starting. Returns also
    /// when the patience is over or <see cref="GiveUp"/> was called.
    /// </summary>
    public async Task WaitAsync(string thread, IEnumerable<string> servers, TimeSpan patience, TimeProvider clock)
    {
        var expected = servers.ToList();
        using var limit = new CancellationTokenSource(patience, clock);
        while (true)
        {
            Task next;
            lock (gate)
            {
                next = changed.Task;
                if (givenUp || Of(thread, expected).All(server => server.State is { Settled: true }))
                    return;
            }

            try
            {
                await next.WaitAsync(limit.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>A sentence for each server whose tools the run has to do without; none once it was given up.</summary>
    public IReadOnlyList<string> ShortcomingsOf(string thread, IEnumerable<string> servers)
    {
        lock (gate)
        {
            return givenUp ? [] :
            [
                .. Of(thread, servers).Where(server => server.State is not { Settled: true, Error: null }).Select(server => server.State is { Settled: true }
                    ? $"The MCP server {server.Name} did not start: {server.State.Error}"
                    : $"The MCP server {server.Name} still starts: the run begins without its tools."),
            ];
        }
    }

    private IEnumerable<(string Name, State? State)> Of(string thread, IEnumerable<string> expected) => expected
        .Union(known.Keys.Where(key => key.Thread == thread || key.Thread.Length == 0).Select(key => key.Server))
        .Select(server => (server, known.GetValueOrDefault((thread, server)) ?? known.GetValueOrDefault(("", server))));

    private void Change(Action change)
    {
        lock (gate)
        {
            change();
            changed.TrySetResult();
            changed = NewSignal();
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private sealed record State(bool Settled, string? Error);
}

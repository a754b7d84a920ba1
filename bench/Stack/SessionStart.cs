namespace Marionette.Bench.Stack;

/// <summary>One start of a runner as its session's log tells it.</summary>
/// <param name="Ordered">When the session asked for a runner.</param>
/// <param name="Connected">When the runner's agent had said hello, and that was committed.</param>
internal readonly record struct SessionStart(DateTimeOffset Ordered, DateTimeOffset Connected)
{
    private static readonly string[] Command = ["true"];

    /// <summary>Creates a session, gives it a runner, and takes that away again.</summary>
    /// <param name="profile">Null: the installation's provider, and its defaults.</param>
    public static async Task<SessionStart> RunAsync(ApiClient api, string? profile, CancellationToken cancellationToken)
    {
        var id = (await api.PostAsync("/api/v1/sessions", new { agent = "command", command = Command, profile_id = profile }, cancellationToken))
            .GetProperty("id").GetString()!;
        await api.PostAsync($"/api/v1/sessions/{id}/resume", null, cancellationToken);
        await api.UntilAsync(id, view => view.GetProperty("status").GetString() == "active", cancellationToken);
        var events = (await api.GetAsync($"/api/v1/sessions/{id}/events?types=runner.assigned,runner.connected", cancellationToken)).GetProperty("items");
        var start = new SessionStart(events[0].GetProperty("time").GetDateTimeOffset(), events[1].GetProperty("time").GetDateTimeOffset());
        await api.PostAsync($"/api/v1/sessions/{id}/suspend", null, cancellationToken);
        await api.UntilAsync(id, view => view.GetProperty("status").GetString() == "suspended", cancellationToken);
        return start;
    }
}

using Marionette.Gateway.Json;

namespace Marionette.Gateway.Rest;

/// <summary>Keeps what sessions and scheduled tasks name from being removed under them: a session without it could never run again.</summary>
internal static class InUse
{
    private static readonly string[] LiveSessions = ["pending", "active", "suspended", "resuming"];

    /// <param name="member">Member of their rows that holds the id: "profile_id".</param>
    /// <exception cref="MarionetteException">Conflict, with what uses it.</exception>
    public static async Task MustBeFreeAsync(string member, string id, string tenant, StateReader rows, CancellationToken cancellationToken)
    {
        var sessions = await rows.ListAsync(
            new StateFilter("session", tenant, 1, null) { Status = LiveSessions, Members = [(member, [id])] }, StateJsonContext.Default.SessionView, cancellationToken);
        var schedules = await rows.ListAsync(
            new StateFilter("scheduled_task", tenant, 1, null) { Members = [(member, [id])] }, StateJsonContext.Default.ScheduleView, cancellationToken);
        if (sessions.Total + schedules.Total == 0) return;
        var example = sessions.Items.Count > 0 ? sessions.Items[0].Id : schedules.Items[0].Id;
        throw new MarionetteException(
            FaultCode.Conflict, $"{sessions.Total} sessions that have not ended and {schedules.Total} scheduled tasks use it ({example}, for one). End or change them first.");
    }
}

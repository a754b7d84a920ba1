using System.Collections.Immutable;

namespace Marionette.Sessions;

/// <summary>One stored event. The payload is a JSON object in UTF-8 and is shared, never changed.</summary>
/// <param name="Seq">Position in the log, from 1.</param>
/// <param name="Type">A type of docs/reference/events.md.</param>
/// <param name="TaskId">"task_…" or null.</param>
/// <param name="RunId">"trun_…" or null.</param>
/// <param name="Source">The runner's own number for it; 0 where the session said it.</param>
/// <param name="At">UTC.</param>
/// <param name="Payload">JSON object, UTF-8.</param>
[GenerateSerializer, Immutable, Alias("mn.session.event.v1")]
public sealed record LoggedEvent(
    [property: Id(0)] long Seq,
    [property: Id(1)] string Type,
    [property: Id(2)] string? TaskId,
    [property: Id(3)] string? RunId,
    [property: Id(4)] long Source,
    [property: Id(5)] DateTimeOffset At,
    [property: Id(6)] byte[] Payload);

/// <summary>
/// A gateway's ear at a session. Calls are hints with content: in order while none is lost; a gap in <see cref="LoggedEvent.Seq"/>
/// says that one was, and the log has it.
/// </summary>
[Alias("mn.session.observer.v1")]
public interface ISessionObserver : IGrainObserver
{
    /// <summary>Events that are durable now.</summary>
    [Alias("events")] Task OnEventsAsync(ImmutableArray<LoggedEvent> events);
}

/// <summary>The connection of a runner as its session sees it: a gateway that holds the stream.</summary>
[Alias("mn.runner.connection.v1")]
public interface IRunnerConnection : IGrainObserver
{
    /// <summary>Commands for the agent, in order. The same ones come again until their effect is seen.</summary>
    [Alias("commands")] Task OnCommandsAsync(ImmutableArray<Runners.RunnerCommand> commands);

    /// <summary>A newer epoch or connection took over, or the session ended: close the stream.</summary>
    [Alias("fenced")] Task OnFencedAsync(long epoch, string reason);
}

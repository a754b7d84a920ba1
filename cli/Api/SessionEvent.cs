using System.Text.Json;
using Marionette.Cli.Output;

namespace Marionette.Cli.Api;

/// <summary>One entry of a session's log, as <c>docs/reference/events.md</c> has it.</summary>
/// <param name="Json">The event as it came, for programs.</param>
internal sealed record SessionEvent(long Seq, string Type, DateTimeOffset Time, string? TaskId, string? RunId, JsonElement Data, JsonElement Json)
{
    /// <summary>Reads an event's JSON.</summary>
    /// <exception cref="JsonException">It is no event: not an object, or without its seq or type.</exception>
    public static SessionEvent Parse(string json) =>
        From(JsonRead.Parse(json));

    public static SessionEvent From(JsonElement element)
    {
        if (element.Number("seq") is not { } seq || element.Text("type") is not { } type)
            throw new JsonException("an event without seq or type");
        return new SessionEvent(seq, type, element.Time("time") ?? default, element.Text("task_id"), element.Text("run_id"), element.Member("data") ?? JsonRead.Parse("{}"), element);
    }
}

using System.Text.Json;

namespace Marionette.Gateway.Rest.Models;

/// <summary>A page of a list.</summary>
/// <param name="Items">Newest first unless the route says otherwise.</param>
/// <param name="HasMore">There is another page.</param>
/// <param name="NextCursor">Pass it as <c>cursor</c>.</param>
/// <param name="TotalCount">Of all that match, not of the page.</param>
internal sealed record ListModel<T>(IReadOnlyList<T> Items, bool HasMore, string? NextCursor, long? TotalCount);

/// <summary>A page of events. For the document: pages are written from stored bytes.</summary>
/// <param name="Items">Oldest first.</param>
/// <param name="HasMore">Others are stored behind them.</param>
/// <param name="NextCursor">Pass it as <c>after</c>; it is always there, so that one can go on when there is more.</param>
internal sealed record EventListModel(IReadOnlyList<EventModel> Items, bool HasMore, string NextCursor);

/// <summary>An event; docs/reference/events.md has the types and what stands in <c>data</c>.</summary>
internal sealed class EventModel
{
    /// <summary>Position in the session's log, from 1 without a gap.</summary>
    public required long Seq { get; init; }
    /// <summary>The tenant's stream only: pass it as <c>after</c>.</summary>
    public string? Cursor { get; init; }
    public required string Type { get; init; }
    public required DateTime Time { get; init; }
    public required string SessionId { get; init; }
    public string? TaskId { get; init; }
    public string? RunId { get; init; }
    /// <summary>An object, by type.</summary>
    public required JsonElement Data { get; init; }
}

/// <summary>An agent kind.</summary>
/// <param name="Features">What it can do.</param>
/// <param name="Installed">Programs of this kind that runners find; a kind without programs of its own has none.</param>
internal sealed record AgentModel(string Name, string Description, IReadOnlyList<string> Features, IReadOnlyList<InstalledAgentModel> Installed);

/// <summary>An agent program in the runners of a provider.</summary>
internal sealed record InstalledAgentModel(string Provider, string Program, string Path, string? Version);

/// <summary>The agent kinds.</summary>
internal sealed record AgentListModel(IReadOnlyList<AgentModel> Items);

/// <summary>A word on what goes on.</summary>
internal sealed record StatusModel(string Status);

/// <summary>One line of output as the original's clients read it.</summary>
internal sealed class LogModel
{
    public required string Id { get; init; }
    public required string SessionId { get; init; }
    public required string TaskId { get; init; }
    public required string RunId { get; init; }
    public required string RunnerId { get; init; }
    [OneOf("stdout", "stderr", "system")]
    public required string Stream { get; init; }
    [OneOf("debug", "info", "warn", "error")]
    public required string Level { get; init; }
    public required string Content { get; init; }
    public required long Sequence { get; init; }
    public required IReadOnlyDictionary<string, string> Metadata { get; init; }
    public required DateTime CreatedAt { get; init; }
}

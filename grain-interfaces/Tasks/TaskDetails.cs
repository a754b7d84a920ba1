using System.Collections.Immutable;

namespace Marionette.Tasks;

/// <summary>A file that a run changed.</summary>
/// <param name="Path">Relative to the workspace.</param>
/// <param name="Change">"added", "modified", "deleted".</param>
[GenerateSerializer, Immutable, Alias("mn.task.file-change.v1")]
public sealed record FileChange([property: Id(0)] string Path, [property: Id(1)] string Change);

/// <summary>What the agent says of its progress.</summary>
/// <param name="Step">What it does now.</param>
/// <param name="Percent">0 to 100, where it is known.</param>
/// <param name="Todos">Its list, where it keeps one.</param>
[GenerateSerializer, Immutable, Alias("mn.task.progress.v1")]
public sealed record TaskProgress([property: Id(0)] string? Step, [property: Id(1)] double? Percent, [property: Id(2)] ImmutableArray<TaskTodo> Todos);

/// <summary>An entry of the agent's list.</summary>
/// <param name="Status">"pending", "in_progress", "completed".</param>
[GenerateSerializer, Immutable, Alias("mn.task.todo.v1")]
public sealed record TaskTodo([property: Id(0)] string Content, [property: Id(1)] string Status);

/// <summary>A file that came with a prompt or a message; its content stands in a row of its own.</summary>
/// <param name="Size">Bytes.</param>
/// <param name="Sha256">Of the content, in hex.</param>
[GenerateSerializer, Immutable, Alias("mn.task.file-info.v1")]
public sealed record TaskFileInfo(
    [property: Id(0)] string Name, [property: Id(1)] string MediaType, [property: Id(2)] long Size, [property: Id(3)] string Sha256);

/// <summary>
/// How much may be used before the work pauses and asks. Each limit counts for itself; what has no limit is not bounded.
/// </summary>
/// <param name="MaxCostUsd">US dollars, above 0.</param>
/// <param name="MaxTokens">Tokens of all kinds, above 0.</param>
/// <param name="MaxMinutes">Wall time of runs, above 0.</param>
/// <param name="WarnPercent">Share of a limit at which a warning is written; 1 to 100.</param>
[GenerateSerializer, Immutable, Alias("mn.task.budget.v1")]
public sealed record Budget(
    [property: Id(0)] decimal? MaxCostUsd, [property: Id(1)] long? MaxTokens, [property: Id(2)] double? MaxMinutes, [property: Id(3)] int WarnPercent = 80);

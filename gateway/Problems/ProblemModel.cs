namespace Marionette.Gateway.Problems;

/// <summary>The body of an error answer (RFC 9457).</summary>
public sealed class ProblemModel
{
    /// <summary><c>/problems/{slug}</c>: a page that says what it means.</summary>
    public required string Type { get; init; }
    /// <summary>The same for every occurrence.</summary>
    public required string Title { get; init; }
    /// <summary>HTTP status.</summary>
    public required int Status { get; init; }
    /// <summary>What happened this time, for people.</summary>
    public string? Detail { get; init; }
    /// <summary>For programs.</summary>
    public required string Code { get; init; }
    /// <summary>The detail again, under the name that the original's clients read.</summary>
    public required string Message { get; init; }
    /// <summary>Find the log entry by it.</summary>
    public required string TraceId { get; init; }
    /// <summary>Each wrong field.</summary>
    public IReadOnlyList<FieldErrorModel>? Errors { get; init; }
    /// <summary>Seconds to wait before a repeat.</summary>
    public int? RetryAfter { get; init; }
}

/// <summary>A wrong field.</summary>
/// <param name="Field">Path in the body, or the name of the query parameter or header.</param>
/// <param name="Message">What it takes.</param>
public sealed record FieldErrorModel(string Field, string Message);

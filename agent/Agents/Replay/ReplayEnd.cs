using System.Globalization;
using System.Text;
using System.Text.Json;
using Marionette.Agent.Events;
using Marionette.Agent.Processes;
using Marionette.Agent.Runs;

namespace Marionette.Agent.Agents.Replay;

/// <summary>How a recorded task ended.</summary>
internal static class ReplayEnd
{
    public static bool IsEnd(string type) => OutcomeOf(type) is not null;

    /// <summary>The same end for the run that plays it.</summary>
    public static RunResult Of(RecordedEvent end)
    {
        var data = end.Data;
        var error = data.Member("error"u8);
        var structured = data.Member("structured_output"u8);
        return new RunResult
        {
            Outcome = OutcomeOf(end.Type) ?? Outcomes.Interrupted,
            Result = data.Text("result"u8),
            ErrorCode = error.Text("code"u8),
            ErrorMessage = error.Text("message"u8),
            Exit = ExitOf(data.Member("exit"u8)),
            Usage = UsageOf(data.Member("usage"u8)),
            Cost = data.Fraction("cost_usd"u8),
            Turns = data.Member("turns"u8).ValueKind == JsonValueKind.Number ? data.Number("turns"u8) : null,
            ModelTime = data.Member("model_ms"u8).ValueKind == JsonValueKind.Number
                ? TimeSpan.FromMilliseconds(data.Number("model_ms"u8))
                : null,
            RetryAt = DateTimeOffset.TryParse(
                data.Text("retry_at"u8), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var retry) ? retry : null,
            StructuredOutput = structured.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null
                ? null
                : Encoding.UTF8.GetBytes(structured.GetRawText()),
            Changes = ChangesOf(data),
        };
    }

    private static string? OutcomeOf(string type) => type switch
    {
        "task.completed" => Outcomes.Completed,
        "task.failed" => Outcomes.Failed,
        "task.canceled" => Outcomes.Canceled,
        "task.timed_out" => Outcomes.TimedOut,
        _ => null,
    };

    private static TokenUsage UsageOf(JsonElement usage) => new(
        usage.Number("input_tokens"u8), usage.Number("output_tokens"u8),
        usage.Number("cache_read_tokens"u8), usage.Number("cache_write_tokens"u8));

    // Only a code can be given again: a signal is told by its name, and no process of ours got it.
    private static ExitStatus? ExitOf(JsonElement exit) =>
        exit.Member("code"u8).ValueKind == JsonValueKind.Number ? new ExitStatus((int)exit.Number("code"u8), null) : null;

    private static WorkspaceChanges? ChangesOf(JsonElement data)
    {
        if (data.Member("files_changed"u8) is not { ValueKind: JsonValueKind.Array } files)
            return null;
        return new WorkspaceChanges(
            [.. files.Items().Select(file => new FileChange(file.Text("path"u8) ?? "", file.Text("change"u8) ?? "modified"))],
            data.Flag("files_changed_truncated"u8));
    }
}

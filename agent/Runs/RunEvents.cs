using System.Text.Json;
using Marionette.Agent.Agents;
using Marionette.Agent.Events;

namespace Marionette.Agent.Runs;

/// <summary>Writes the end of a run.</summary>
internal static class RunEvents
{
    public static void Finished(
        EventSink sink, ReadOnlySpan<byte> run, RunResult result, TimeSpan elapsed, string? conversation) =>
        sink.Emit("run.finished"u8, run, (result, elapsed, conversation), static (json, end) =>
        {
            json.WriteString("outcome"u8, end.result.Outcome);
            json.Optional("result"u8, end.result.Result);
            if (end.result.StructuredOutput is { } structured)
            {
                json.WritePropertyName("structured_output"u8);
                json.WriteRawValue(structured);
            }

            WriteError(json, end.result);
            json.WriteStartObject("usage"u8);
            json.WriteNumber("input_tokens"u8, end.result.Usage.Input);
            json.WriteNumber("output_tokens"u8, end.result.Usage.Output);
            json.WriteNumber("cache_read_tokens"u8, end.result.Usage.CacheRead);
            json.WriteNumber("cache_write_tokens"u8, end.result.Usage.CacheWrite);
            json.WriteEndObject();
            if (end.result.Cost is { } cost)
                json.WriteNumber("cost_usd"u8, Math.Round(cost, 9));
            json.WriteNumber("duration_ms"u8, (long)end.elapsed.TotalMilliseconds);
            if (end.result.Turns is { } turns)
                json.WriteNumber("turns"u8, turns);
            if (end.result.ModelTime is { } modelTime)
                json.WriteNumber("model_ms"u8, (long)modelTime.TotalMilliseconds);
            if (end.result.RetryAt is { } retryAt)
                json.WriteString("retry_at"u8, retryAt.UtcDateTime);
            WriteChanges(json, end.result.Changes);
            json.Optional("conversation_id"u8, end.conversation);
        });

    private static void WriteChanges(Utf8JsonWriter json, WorkspaceChanges? changes)
    {
        if (changes is null)
            return;
        json.WriteStartArray("files_changed"u8);
        foreach (var file in changes.Files)
        {
            json.WriteStartObject();
            json.WriteString("path"u8, file.Path);
            json.WriteString("change"u8, file.Change);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        if (changes.Truncated)
            json.WriteBoolean("files_changed_truncated"u8, true);
    }

    private static void WriteError(Utf8JsonWriter json, RunResult result)
    {
        if (result.ErrorCode is { } code)
        {
            json.WriteStartObject("error"u8);
            json.WriteString("code"u8, code);
            json.WriteString("message"u8, result.ErrorMessage ?? "");
            json.WriteEndObject();
        }

        if (result.Exit is not { } exit || (exit.Code is null && exit.Signal is null))
            return;
        json.WriteStartObject("exit"u8);
        if (exit.Code is { } exitCode)
            json.WriteNumber("code"u8, exitCode);
        json.Optional("signal"u8, exit.SignalName);
        json.WriteEndObject();
    }
}

using System.Text.Json;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Claude;

/// <summary>
/// One <c>usage</c> event for each answer of the model. While an answer is streamed its numbers come in parts; an answer that
/// was not streamed (Claude falls back to that after a broken stream) has them in its block lines, the same on each.
/// </summary>
internal sealed class ClaudeUsageTracker(EventSink sink)
{
    private readonly Dictionary<string, (TokenUsage Tokens, string? Model)> open = new(StringComparer.Ordinal);
    private (string Id, TokenUsage Tokens, string? Model)? unstreamed;
    private string lastTold = "";

    public static TokenUsage Read(JsonElement usage) => new(
        usage.Number("input_tokens"u8),
        usage.Number("output_tokens"u8),
        usage.Number("cache_read_input_tokens"u8),
        usage.Number("cache_creation_input_tokens"u8));

    public void Started(string id, JsonElement message) =>
        open[id] = (Read(message.Member("usage"u8)), message.Text("model"u8));

    public void Progressed(string id, JsonElement usage)
    {
        if (!open.TryGetValue(id, out var known))
            return;
        var now = Read(usage);
        // The final part repeats only what changed.
        open[id] = (new TokenUsage(
            Math.Max(known.Tokens.Input, now.Input),
            now.Output > 0 ? now.Output : known.Tokens.Output,
            Math.Max(known.Tokens.CacheRead, now.CacheRead),
            Math.Max(known.Tokens.CacheWrite, now.CacheWrite)), known.Model);
    }

    public void Finished(byte[] run, string id)
    {
        if (open.Remove(id, out var known))
            Tell(run, id, known.Tokens, known.Model);
    }

    /// <summary>A block line of an answer; counts only when nothing is or was streamed for it.</summary>
    public void Seen(byte[] run, string id, JsonElement message)
    {
        if (unstreamed is { } previous && previous.Id != id)
            FlushUnstreamed(run);
        if (id != lastTold && !open.ContainsKey(id) && message.Member("usage"u8).ValueKind == JsonValueKind.Object)
            unstreamed = (id, Read(message.Member("usage"u8)), message.Text("model"u8));
    }

    /// <summary>The turn is over: tells what is left. A stream that was cut counts with what was known of it.</summary>
    public void Flush(byte[] run)
    {
        FlushUnstreamed(run);
        foreach (var (id, known) in open)
            Tell(run, id, known.Tokens, known.Model);
        open.Clear();
    }

    private void FlushUnstreamed(byte[] run)
    {
        if (unstreamed is { } answer)
            Tell(run, answer.Id, answer.Tokens, answer.Model);
        unstreamed = null;
    }

    private void Tell(byte[] run, string id, TokenUsage tokens, string? model)
    {
        lastTold = id;
        sink.Emit("usage"u8, run, (tokens, model), static (json, answer) =>
        {
            json.WriteNumber("input_tokens"u8, answer.tokens.Input);
            json.WriteNumber("output_tokens"u8, answer.tokens.Output);
            json.WriteNumber("cache_read_tokens"u8, answer.tokens.CacheRead);
            json.WriteNumber("cache_write_tokens"u8, answer.tokens.CacheWrite);
            json.Optional("model"u8, answer.model);
        });
    }
}

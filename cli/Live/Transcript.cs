using System.Text.Json;
using Marionette.Cli.Api;
using Marionette.Cli.Output;

namespace Marionette.Cli.Live;

/// <summary>What of a session is shown.</summary>
internal sealed record TranscriptOptions
{
    /// <summary>The model's thinking, dimmed. Default: not shown.</summary>
    public bool Thinking { get; init; }

    /// <summary>Prompts, as when a whole session is replayed. Default: not shown, the user has just written it.</summary>
    public bool Prompts { get; init; }

    /// <summary>Lines of each tool result. Default 3.</summary>
    public int ResultLines { get; init; } = 3;
}

/// <summary>Draws a session's events as text. It keeps only what the drawing needs: which block is being written.</summary>
internal sealed class Transcript(LiveScreen screen, TranscriptOptions options)
{
    private readonly Dictionary<(string Message, long Index), int> streamed = [];
    private readonly TerminalText cleaner = new();
    private (string Message, long Index)? open;

    private int Width => Math.Min(screen.Width, 120) - 6;

    public void Show(SessionEvent entry)
    {
        var data = entry.Data;
        switch (entry.Type)
        {
            case "text.delta":
                Piece(entry, Style.Plain);
                break;
            case "text":
                Block(entry, Style.Plain);
                break;
            case "thinking.delta" when options.Thinking:
                Piece(entry, Style.Dim);
                break;
            case "thinking" when options.Thinking:
                Block(entry, Style.Dim);
                break;
            case "tool_use":
                Line($"● {Name(data.Text("name"))}  {ToolText.About(data.Member("input"), Width)}".TrimEnd(), Style.Tool);
                break;
            case "tool_result":
                ToolResult(entry);
                break;
            case "log" when data.Text("content") is { } content:
                foreach (var line in TerminalText.CleanAll(content).TrimEnd('\n').Split('\n'))
                    Line(line, data.Text("stream") == "stdout" ? Style.Plain : Style.Dim);
                break;
            case "error":
                Line($"! {Name(data.Text("message") ?? data.Text("code"))}{Again(entry)}", Style.Bad);
                break;
            default:
                Lifecycle(entry);
                break;
        }
    }

    private void Lifecycle(SessionEvent entry)
    {
        var data = entry.Data;
        switch (entry.Type)
        {
            case "task.created" when options.Prompts:
                Line($"> {Format.Fit(data.Text("prompt") ?? "", Width)}", Style.Bold);
                break;
            case "task.interrupted":
                Line($"~ interrupted: {Name(data.Text("reason"))}; a new run follows", Style.Dim);
                break;
            case "task.cancel_requested":
                Line(
                    data.Text("outcome") switch
                    {
                        "timed_out" => "~ time is over",
                        "paused" => $"~ pausing: {Name(data.Text("reason"))}",
                        _ => "~ cancel requested",
                    }, Style.Dim);
                break;
            case "task.held":
                Line($"~ waits for {Name(data.Text("kind"))}: {Name(data.Text("reason"))}{Until(data)}", Style.Ask);
                break;
            case "task.released":
                Line($"~ goes on: {Name(data.Text("reason"))}", Style.Dim);
                break;
            case "budget.warning":
                Line($"~ {Name(data.Text("scope"))} budget: {data.Amount("used")} of {data.Amount("limit")} {Name(data.Text("unit"))} used", Style.Ask);
                break;
            case "message.sent" when data.Text("text") is { } text:
                Line($"> {Format.Fit(text, Width)}", Style.Bold);
                break;
            case "message.queued":
                Line($"~ the turn did not take the message; it follows as task {Name(data.Text("task_id"))}", Style.Dim);
                break;
            case "session.configured":
                Line($"~ model {Name(data.Text("model") ?? "default")}, permission mode {Name(data.Text("permission_mode"))}", Style.Dim);
                break;
            case "session.configure_refused":
                Line($"! the agent does not take the change: {Name(data.Text("reason"))}", Style.Bad);
                break;
            case "runner.lost":
                Line($"~ the runner was lost: {Name(data.Text("cause"))}{Detail(data.Text("detail"))}", Style.Bad);
                if (data.Text("next") is { } next)
                    Line($"  {Name(next)}", Style.Dim);
                break;
            case "runner.progress" or "runner.throttled" or "runner.unthrottled" or "network.blocked" or "network.changed"
                or "workspace.ready" or "workspace.restore_failed" or "checkpoint.failed":
                if (RunnerText.Line(entry) is { } line)
                    Line(line.Text, line.Style);
                break;
            case "session.moved" when data.Text("stays") is { } stays:
                Line($"! it stays at {Name(data.Text("from"))}: {Name(stays)}", Style.Bad);
                break;
            case "session.moved":
                Line($"~ moved from {Name(data.Text("from"))} to {Name(data.Text("to"))}", Style.Dim);
                break;
            case "session.expiring":
                Line($"! the session ends at {Name(data.Text("expires_at"))}; 'sessions extend' moves that", Style.Ask);
                break;
            case "session.extended":
                Line($"~ the session ends {(data.Text("expires_at") is { } end ? $"at {Name(end)}" : "when somebody ends it")}{Detail(data.Text("reason"))}", Style.Dim);
                break;
            case "runner.paused":
                Line("~ the runner is paused, with all that it has in memory", Style.Dim);
                break;
            case "runner.pause_failed":
                Line($"~ the runner is not paused: {Name(data.Text("reason"))}", Style.Dim);
                break;
            case "session.suspended":
                Line($"~ suspended: {Name(data.Text("reason"))}", Style.Dim);
                break;
            case "session.resuming":
                Line($"~ resuming: {Name(data.Text("reason"))}", Style.Dim);
                break;
            case "session.terminated":
                Line($"~ session ended: {Name(data.Text("reason"))}", Style.Dim);
                break;
            case "session.failed":
                Line($"! session failed: {Name(data.Text("reason") ?? data.Text("code"))}", Style.Bad);
                break;
            case "permission.requested":
                Permission(entry);
                break;
            case "permission.approved":
                Line($"  allowed by {Name(data.Text("by"))}{(data.Member("updated_input") is null ? "" : ", with changed input")}{Detail(data.Text("reason"))}", Style.Good);
                break;
            case "permission.denied":
                Line($"  denied by {Name(data.Text("by"))}{Detail(data.Text("reason"))}", Style.Bad);
                break;
            case "permission.expired" or "permission.canceled":
                Line($"  the question is void: {Name(data.Text("reason") ?? entry.Type["permission.".Length..])}", Style.Dim);
                break;
        }
    }

    private static string Until(JsonElement data) => data.Text("until") is { } time
        ? $"; {(data.Flag("auto") ? "goes on by itself" : "could go on")} at {Name(time)}"
        : "; 'tasks continue' allows more";

    private void Permission(SessionEvent entry)
    {
        var data = entry.Data;
        if (data.IsOwnQuestion())
        {
            Line($"? {Name(data.Text("title"))} (risk: {Name(data.Text("risk_level"))}): {Name(data.Text("description"))}", Style.Ask);
            return;
        }

        Line($"? {Name(data.Text("tool"))} needs permission (risk: {Name(data.Text("risk_level") ?? "unknown")})", Style.Ask);
        if (data.Text("description") is { Length: > 0 } description && !IsInInput(data, description))
            Line($"  {Format.Fit(description, Width)}");
        if (data.Member("input") is { } input)
        {
            foreach (var line in ToolText.Input(input, lines: 12, Width))
                Line("  " + line);
        }
    }

    // Agents often describe a request with words of the request itself; said once is enough.
    private static bool IsInInput(JsonElement data, string description) => data.Member("input") is { ValueKind: JsonValueKind.Object } input
        && input.EnumerateObject().Any(member => member.Value.ValueKind == JsonValueKind.String && member.Value.GetString()!.Contains(description, StringComparison.Ordinal));

    private void ToolResult(SessionEvent entry)
    {
        var failed = entry.Data.Flag("is_error");
        var (lines, more) = ToolText.Head(entry.Data.Text("content") ?? "", options.ResultLines, Width);
        foreach (var line in lines)
            Line($"  {(failed ? "✗" : "│")} {line}", failed ? Style.Bad : Style.Dim);
        if (more > 0)
            Line($"  … {more} more line{(more == 1 ? "" : "s")}", Style.Dim);
    }

    // A piece of a block as it is generated.
    private void Piece(SessionEvent entry, Style style)
    {
        var block = BlockOf(entry);
        if (open != block)
        {
            screen.EndLine();
            open = block;
        }
        var text = entry.Data.Text("text") ?? "";
        streamed[block] = streamed.GetValueOrDefault(block) + text.Length;
        screen.Text(cleaner.Clean(text), style);
    }

    // The whole block: what of it has not been shown in pieces (all of it for an agent that does not stream, or for a reader who came late).
    private void Block(SessionEvent entry, Style style)
    {
        var block = BlockOf(entry);
        var text = entry.Data.Text("text") ?? "";
        var shown = streamed.GetValueOrDefault(block);
        if (open != block)
            screen.EndLine();
        if (shown < text.Length)
            screen.Text(cleaner.Clean(text[shown..]), style);
        streamed.Remove(block);
        open = null;
        screen.EndLine();
    }

    private void Line(string text, Style style = Style.Plain)
    {
        open = null;
        screen.Line(text, style);
    }

    private static (string, long) BlockOf(SessionEvent entry) => (entry.Data.Text("message_id") ?? "", entry.Data.Number("index") ?? 0);

    private static string Name(string? text) => text is null ? "unknown" : Format.Fit(text, 400);

    private static string Detail(string? text) => text is { Length: > 0 } ? $" ({Format.Fit(text, 400)})" : "";

    private static string Again(SessionEvent entry) => entry.Data.Number("retry_in_ms") is { } wait
        ? $"; tried again in {Format.Duration(TimeSpan.FromMilliseconds(wait))}{(entry.Data.Number("attempt") is { } attempt ? $" (attempt {attempt})" : "")}"
        : "";
}

using Marionette.Cli.Api;
using Marionette.Cli.Output;

namespace Marionette.Cli.Live;

/// <summary>What a task has come to so far: a fold of its events. The status row and the last lines are made of it.</summary>
internal sealed record TaskProgress
{
    /// <summary>What the agent does now, in a few words.</summary>
    public string Activity { get; private init; } = "waiting for a runner";

    /// <summary>Final status (<c>completed, failed, canceled, timed_out</c>), or null while the task goes on.</summary>
    public string? Outcome { get; private init; }

    public string? Result { get; private init; }

    public string? ErrorCode { get; private init; }

    public string? ErrorMessage { get; private init; }

    public long InputTokens { get; private init; }

    public long OutputTokens { get; private init; }

    public decimal? CostUsd { get; private init; }

    public TimeSpan? Duration { get; private init; }

    public long? Turns { get; private init; }

    /// <summary>Files that the agent asked to write, in the order of the first request, as the agent named them.</summary>
    public IReadOnlyList<string> WrittenFiles { get; private init; } = [];

    public TaskProgress Apply(SessionEvent entry) => entry.Type switch
    {
        "runner.assigned" => this with { Activity = "starting a runner" },
        "runner.progress" => this with { Activity = RunnerText.Activity(entry) },
        "runner.connected" => this with { Activity = "runner connected" },
        "runner.unpausing" => this with { Activity = "letting the runner go on" },
        "runner.lost" => this with { Activity = "the runner was lost; a new one is coming" },
        "session.suspended" => this with { Activity = "suspended" },
        "session.resuming" => this with { Activity = "resuming" },
        "task.created" => this with { Activity = "queued" },
        "task.dispatched" => this with { Activity = "starting the agent" },
        "task.started" => this with { Activity = "started" },
        "task.interrupted" => this with { Activity = "interrupted; a new run follows" },
        "task.cancel_requested" => this with { Activity = entry.Data.Text("outcome") == "paused" ? "pausing: a budget is used up" : "canceling" },
        "task.held" => this with { Activity = Waiting(entry) },
        "task.released" => this with { Activity = "going on" },
        "task.retried" => this with { Activity = "queued again", Outcome = null },
        "thinking.delta" or "thinking" => this with { Activity = "thinking" },
        "text.delta" or "text" => this with { Activity = "writing" },
        "tool_use" => WithTool(entry),
        "tool_result" => this with { Activity = "reading the result" },
        "progress" when entry.Data.Text("step") is { } step => this with { Activity = step },
        "permission.requested" => this with { Activity = $"waiting for permission: {entry.Data.Text("tool")}" },
        "permission.approved" or "permission.denied" or "permission.delivered" => this with { Activity = "going on" },
        "usage" => this with
        {
            InputTokens = InputTokens + Input(entry),
            OutputTokens = OutputTokens + (entry.Data.Number("output_tokens") ?? 0),
        },
        "error" => this with { Activity = $"trouble: {entry.Data.Text("code")}" },
        "task.completed" or "task.failed" or "task.canceled" or "task.timed_out" => Ended(entry),
        _ => this,
    };

    /// <summary>The status row: what happens, for how long, at what price.</summary>
    public string StatusLine(TimeSpan elapsed)
    {
        var line = $"{Activity} · {Format.Elapsed(elapsed)} · {Format.Count(InputTokens)} in, {Format.Count(OutputTokens)} out";
        return CostUsd is { } cost ? $"{line} · {Format.Cost(cost)}" : line;
    }

    /// <summary>The last line: outcome, time, tokens, cost, turns.</summary>
    public string Summary()
    {
        var parts = new List<string> { Outcome is "completed" or null ? Outcome ?? "running" : Outcome.Replace('_', ' ') };
        if (Duration is { } duration)
            parts[0] += $" in {Format.Duration(duration)}";
        parts.Add($"{InputTokens} tokens in, {OutputTokens} out");
        if (CostUsd is { } cost)
            parts.Add(Format.Cost(cost));
        if (Turns is { } turns)
            parts.Add(turns == 1 ? "1 turn" : $"{turns} turns");
        return string.Join(" · ", parts);
    }

    private static string Waiting(SessionEvent entry)
    {
        var until = entry.Data.Text("until") is { } time ? $" until {time}" : "";
        return entry.Data.Text("kind") switch
        {
            "quota" => $"waiting for quota{until}",
            "model" => $"waiting for the model{until}",
            _ => "waiting: a budget is used up",
        };
    }

    private TaskProgress WithTool(SessionEvent entry)
    {
        var next = this with { Activity = $"running {entry.Data.Text("name")}" };
        return entry.Data.Text("name") is "Write" or "Edit" or "MultiEdit" or "NotebookEdit"
            && entry.Data.Member("input")?.Text("file_path") is { } path && !WrittenFiles.Contains(path)
            ? next with { WrittenFiles = [.. WrittenFiles, path] }
            : next;
    }

    private TaskProgress Ended(SessionEvent entry)
    {
        var data = entry.Data;
        var usage = data.Member("usage");
        var error = data.Member("error");
        return this with
        {
            Outcome = entry.Type["task.".Length..],
            Result = data.Text("result"),
            ErrorCode = error?.Text("code"),
            ErrorMessage = error?.Text("message"),
            InputTokens = usage is { } u ? Total(u) : InputTokens,
            OutputTokens = usage?.Number("output_tokens") ?? OutputTokens,
            CostUsd = data.Amount("cost_usd") ?? usage?.Amount("cost_usd") ?? CostUsd,
            Duration = data.Number("duration_ms") is { } milliseconds ? TimeSpan.FromMilliseconds(milliseconds) : null,
            Turns = data.Number("turns"),
        };
    }

    private static long Input(SessionEvent entry) => Total(entry.Data);

    // What the model read, from wherever: cached input is cheaper, and input all the same.
    private static long Total(System.Text.Json.JsonElement usage) =>
        (usage.Number("input_tokens") ?? 0) + (usage.Number("cache_read_tokens") ?? 0) + (usage.Number("cache_write_tokens") ?? 0);
}

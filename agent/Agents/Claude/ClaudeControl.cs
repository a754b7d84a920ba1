using System.Text.Json;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Claude;

/// <summary>Claude's answer to a request of ours: <paramref name="Error"/> is null when it did what was asked.</summary>
internal sealed record ControlAnswer(string? Error);

/// <summary>Requests to one Claude process and the answers that they wait for. Safe for any thread.</summary>
internal sealed class ClaudeControl(TimeProvider clock)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Lock gate = new();
    private readonly Dictionary<string, TaskCompletionSource<ControlAnswer>> waiting = new(StringComparer.Ordinal);
    private bool ended;
    private int last;

    /// <summary>Asks, and waits for the answer.</summary>
    /// <param name="process">Whom.</param>
    /// <param name="line">Makes the line of the request's id.</param>
    public async Task<ControlAnswer> AskAsync(ClaudeProcess process, Func<string, byte[]> line)
    {
        var answer = new TaskCompletionSource<ControlAnswer>(TaskCreationOptions.RunContinuationsAsynchronously);
        string id;
        lock (gate)
        {
            if (ended)
                return new ControlAnswer("Claude Code has ended.");
            id = $"ask-{++last}";
            waiting[id] = answer;
        }

        try
        {
            await process.WriteAsync(line(id)).ConfigureAwait(false);
            return await answer.Task.WaitAsync(Patience, clock).ConfigureAwait(false);
        }
        catch (IOException)
        {
            return new ControlAnswer("Claude Code does not read any more.");
        }
        catch (TimeoutException)
        {
            return new ControlAnswer($"Claude Code gave no answer within {Patience.TotalSeconds:F0} s.");
        }
        finally
        {
            lock (gate)
                waiting.Remove(id);
        }
    }

    /// <summary>Takes a <c>control_response</c> line.</summary>
    public void Answered(JsonElement line)
    {
        var response = line.Member("response"u8);
        TaskCompletionSource<ControlAnswer>? asker;
        lock (gate)
            waiting.Remove(response.Text("request_id"u8) ?? "", out asker);
        asker?.TrySetResult(new ControlAnswer(
            response.Text("subtype"u8) == "success" ? null : response.Text("error"u8) ?? "Claude Code refused without a reason."));
    }

    /// <summary>No answer comes any more.</summary>
    public void Ended()
    {
        TaskCompletionSource<ControlAnswer>[] all;
        lock (gate)
        {
            ended = true;
            all = [.. waiting.Values];
        }

        foreach (var asker in all)
            asker.TrySetResult(new ControlAnswer("Claude Code has ended."));
    }
}

using System.Collections.Immutable;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Marionette.ModelServer.Wire;

/// <summary>One tool result that the newest user message carries.</summary>
internal sealed record ToolOutcome(string ToolUseId, string Text, bool IsError);

/// <summary>What a scenario may know of a conversation; read off one request, so that nothing need be remembered.</summary>
/// <param name="Prompt">Newest text a person wrote, without what the agent injects around it; empty if there is none.</param>
/// <param name="Step">Model answers since that prompt, from 0.</param>
/// <param name="Outcomes">Tool results that came after the newest model answer, in order.</param>
/// <param name="WorkingDirectory">The agent's working directory as its newest environment note says, or null.</param>
/// <param name="Tools">Names of the tools offered in this request.</param>
/// <param name="PromptIndex">Where the prompt stands among the messages, or -1.</param>
/// <param name="Continues">The newest answer was cut off and its rest is asked for; it is no step.</param>
/// <param name="HasHistory">Whether any model answer came before.</param>
internal sealed partial record Conversation(
    string Prompt,
    int Step,
    ImmutableArray<ToolOutcome> Outcomes,
    string? WorkingDirectory,
    ImmutableHashSet<string> Tools,
    int PromptIndex,
    bool Continues,
    bool HasHistory)
{
    /// <summary>Reads the body of <c>POST /v1/messages</c>, whose shape was checked before.</summary>
    public static Conversation Read(JsonElement body)
    {
        var messages = body.GetProperty("messages").EnumerateArray().ToArray();
        var promptAt = messages.Length;
        var prompt = "";
        while (prompt.Length == 0 && promptAt-- > 0)
        {
            if (RoleOf(messages[promptAt]) == "user") prompt = PromptIn(messages[promptAt]);
        }

        var answers = 0;
        var (lastAnswer, answerBefore) = (-1, -1);
        var continues = false;
        var previousRole = "user";
        for (var i = Math.Max(promptAt, 0); i < messages.Length; i++)
        {
            var role = RoleOf(messages[i]);
            if (role == "system") continue; // notes of the agent stand between any two messages
            if (role == "assistant")
            {
                if (previousRole != "assistant") // an answer may come back in several pieces
                {
                    answers++;
                    answerBefore = lastAnswer;
                }

                lastAnswer = i;
                continues = false;
            }
            else if (answers > 0 && TextsIn(messages[i].GetProperty("content")).Any(IsContinuation))
            {
                answers--; // what follows belongs to the answer that was cut off
                lastAnswer = answerBefore;
                continues = true;
            }

            previousRole = role;
        }

        return new Conversation(
            prompt,
            answers,
            [.. messages.Skip(lastAnswer + 1).Where(m => RoleOf(m) == "user").SelectMany(OutcomesIn)],
            WorkingDirectoryIn(body, messages),
            ToolsIn(body),
            promptAt,
            continues,
            messages.Any(m => RoleOf(m) == "assistant"));
    }

    private static string RoleOf(JsonElement message) => message.GetProperty("role").GetString() ?? "";

    /// <summary>The person's text in a user message; empty for bare tool results and injected notes.</summary>
    private static string PromptIn(JsonElement message)
    {
        var lines = new List<string>();
        foreach (var text in TextsIn(message.GetProperty("content")))
        {
            if (text.StartsWith("[Request interrupted by user", StringComparison.Ordinal))
            {
                lines.Clear(); // what stood before it belongs to the turn that was interrupted
                continue;
            }

            if (IsContinuation(text) || text.StartsWith("Output token limit hit.", StringComparison.Ordinal)) continue;
            var own = Injected().Replace(text, "").Trim();
            if (own.Length > 0) lines.Add(own);
        }

        return string.Join('\n', lines);
    }

    /// <summary>Claude Code's own words after a stream that broke behind a finished block.</summary>
    private static bool IsContinuation(string text) =>
        text.StartsWith("Your response above was cut off mid-stream.", StringComparison.Ordinal);

    private static IEnumerable<ToolOutcome> OutcomesIn(JsonElement message)
    {
        var content = message.GetProperty("content");
        if (content.ValueKind != JsonValueKind.Array) yield break;
        foreach (var block in content.EnumerateArray())
        {
            if (StringOf(block, "type") != "tool_result") continue;
            var text = block.TryGetProperty("content", out var inner) ? string.Join('\n', TextsIn(inner)) : "";
            var failed = block.TryGetProperty("is_error", out var error) && error.ValueKind == JsonValueKind.True;
            yield return new ToolOutcome(StringOf(block, "tool_use_id") ?? "", text, failed);
        }
    }

    /// <summary>Only the agent's own notes count: a person may write about directories as they like.</summary>
    private static string? WorkingDirectoryIn(JsonElement body, JsonElement[] messages)
    {
        var notes = body.TryGetProperty("system", out var system) ? TextsIn(system) : [];
        foreach (var message in messages)
        {
            var texts = TextsIn(message.GetProperty("content"));
            notes = notes.Concat(RoleOf(message) switch
            {
                "system" => texts,
                "user" => texts.SelectMany(t => Injected().Matches(t).Select(m => m.Value)),
                _ => [],
            });
        }

        return notes.SelectMany(n => Directory().Matches(n)).LastOrDefault()?.Groups[1].Value.Trim();
    }

    private static ImmutableHashSet<string> ToolsIn(JsonElement body) =>
        body.TryGetProperty("tools", out var tools) && tools.ValueKind == JsonValueKind.Array
            ? [.. tools.EnumerateArray().Select(t => StringOf(t, "name") ?? "")]
            : [];

    private static IEnumerable<string> TextsIn(JsonElement content) => content.ValueKind switch
    {
        JsonValueKind.String => [content.GetString()!],
        JsonValueKind.Array => content.EnumerateArray()
            .Where(b => StringOf(b, "type") == "text")
            .Select(b => StringOf(b, "text") ?? ""),
        _ => [],
    };

    private static string? StringOf(JsonElement item, string name) =>
        item.ValueKind == JsonValueKind.Object
        && item.TryGetProperty(name, out var value)
        && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;

    [GeneratedRegex(@"<(system-reminder|local-command-\w+|command-\w+|bash-\w+)>.*?</\1>", RegexOptions.Singleline)]
    private static partial Regex Injected();

    [GeneratedRegex(@"[Ww]orking directory: *([^\r\n<]+)")]
    private static partial Regex Directory();
}

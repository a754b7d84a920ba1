using System.Collections.Immutable;
using System.Text.RegularExpressions;

namespace Marionette.ModelServer.Wire;

/// <summary>Reads the entries of an OpenAI conversation as scenarios see it.</summary>
internal static partial class OpenAiConversation
{
    /// <param name="items">Every entry, oldest first.</param>
    /// <param name="tools">Names of the tools offered.</param>
    public static Conversation Read(IReadOnlyList<OpenAiItem> items, ImmutableHashSet<string> tools)
    {
        var promptAt = items.Count;
        var prompt = "";
        while (prompt.Length == 0 && promptAt-- > 0)
        {
            if (items[promptAt].Kind == ItemKind.User) prompt = WithoutInjected(items[promptAt].Text);
        }

        // Some agents ask for a name of the conversation beside the work, with the person's words in the request.
        if (items.Any(i => i.Kind == ItemKind.Note && i.Text.Contains("title generator", StringComparison.OrdinalIgnoreCase))) prompt = "";
        var (step, lastAnswer) = Count(items, Math.Max(promptAt, 0));
        return new Conversation(
            prompt,
            step,
            [.. items.Skip(lastAnswer + 1).Where(i => i.Kind == ItemKind.Outcome).Select(i => new ToolOutcome(i.CallId, Unwrap(i.Text), false))],
            items.SelectMany(i => Directory().Matches(i.Text)).LastOrDefault()?.Groups[1].Value.Trim(),
            ToolDialect.Callable(tools),
            promptAt,
            Continues: false,
            items.Any(i => i.Kind == ItemKind.Answer));
    }

    // An answer comes back as several entries, and its calls may stand apart with their results in between: our ids tell.
    private static (int Answers, int LastAnswer) Count(IReadOnlyList<OpenAiItem> items, int from)
    {
        var (answers, last, previous, call) = (0, items.Count - 1, ItemKind.User, "");
        for (var i = from; i < items.Count; i++)
        {
            var item = items[i];
            if (item.Kind == ItemKind.Note) continue;
            if (item.Kind == ItemKind.Answer)
            {
                var own = AnswerWriter.AnswerOf(item.CallId);
                if (previous != ItemKind.Answer && (own.Length == 0 || own != call))
                {
                    answers++;
                    last = i;
                }

                if (own.Length > 0) call = own;
            }

            previous = item.Kind;
        }

        return (answers, last);
    }

    private static string WithoutInjected(string text) =>
        Whole().IsMatch(text) || text.StartsWith("# AGENTS.md instructions", StringComparison.Ordinal) ? "" : Reminder().Replace(text, "").Trim();

    // Codex puts a head of its own before what the command printed.
    private static string Unwrap(string output)
    {
        const string head = "\nOutput:\n";
        var at = output.IndexOf(head, StringComparison.Ordinal);
        return at < 0 ? output.TrimEnd('\n') : output[(at + head.Length)..].TrimEnd('\n');
    }

    [GeneratedRegex(@"\A\s*<([a-z_-]+)\b[^>]*>.*</\1>\s*\z", RegexOptions.Singleline)]
    private static partial Regex Whole();

    [GeneratedRegex(@"<system-reminder>.*?</system-reminder>", RegexOptions.Singleline)]
    private static partial Regex Reminder();

    [GeneratedRegex(@"(?:[Ww]orking directory: *|<cwd>)([^\r\n<]+)")]
    private static partial Regex Directory();
}

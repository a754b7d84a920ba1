using System.Collections.Immutable;
using System.Text;

namespace Marionette.Schedules;

/// <summary>
/// A prompt with variables in double braces. Names are checked once, when the schedule is made, so that an occurrence never finds one that it does not
/// know. <c>{{"{{"}}</c> gives two braces. The original's <c>{{.Date}}</c> and <c>{{.RunNumber}}</c> are known too.
/// </summary>
public sealed class PromptTemplate
{
    /// <summary>Variables without parameters; beside them <c>labels.KEY</c> for each label of the schedule.</summary>
    public static readonly ImmutableArray<string> Names =
        ["now", "date", "scheduled_at", "run_number", "run_count", "last_result", "last_status", "last_task_id", "schedule_id", "schedule_name"];

    private const string LabelPrefix = "labels.";

    private readonly ImmutableArray<Part> parts;

    private PromptTemplate(ImmutableArray<Part> parts) => this.parts = parts;

    /// <summary>Reads a template; null and a sentence when it names what there is not.</summary>
    public static PromptTemplate? Parse(string text, IReadOnlyDictionary<string, string> labels, out string? error)
    {
        var parts = ImmutableArray.CreateBuilder<Part>();
        error = null;
        for (var at = 0; at < text.Length;)
        {
            var open = text.IndexOf("{{", at, StringComparison.Ordinal);
            if (open < 0) open = text.Length;
            if (open > at) parts.Add(new Part(text[at..open], null));
            if (open == text.Length) break;
            var close = text.IndexOf("}}", open + 2, StringComparison.Ordinal);
            // {{"{{"}} and {{"}}"}}: the closing braces are those after the quote.
            var inside = close < 0 ? "" : text[(open + 2)..close].Trim();
            if (inside.Length > 0 && inside[0] == '"' && text.IndexOf('"', text.IndexOf('"', open) + 1) is > 0 and var quote)
            {
                close = text.IndexOf("}}", quote, StringComparison.Ordinal);
                inside = close < 0 ? "" : text[(open + 2)..close].Trim();
            }

            if (close < 0)
            {
                error = $"has braces at character {open + 1} that are not closed; write {{{{\"{{{{\"}}}} for braces themselves";
                return null;
            }

            if (inside is ['"', .. var quoted, '"'] && !quoted.Contains('"')) parts.Add(new Part(quoted, null));
            else if (Known(inside, labels) is { } name) parts.Add(new Part("", name));
            else
            {
                error = $"names the unknown variable \"{(inside.Length > 60 ? inside[..60] : inside)}\"; known are {string.Join(", ", Names)} and labels.KEY of the schedule's labels";
                return null;
            }

            at = close + 2;
        }

        return new PromptTemplate(parts.ToImmutable());
    }

    /// <summary>The prompt; <paramref name="value"/> gives the text of each variable.</summary>
    public string Render(Func<string, string> value)
    {
        var text = new StringBuilder();
        foreach (var part in parts) text.Append(part.Variable is { } name ? value(name) : part.Text);
        return text.ToString();
    }

    /// <summary>The key of a variable <c>labels.KEY</c>, or null.</summary>
    public static string? LabelOf(string variable) => variable.StartsWith(LabelPrefix, StringComparison.Ordinal) ? variable[LabelPrefix.Length..] : null;

    private static string? Known(string name, IReadOnlyDictionary<string, string> labels) => name switch
    {
        ".Date" => "date",
        ".RunNumber" => "run_number",
        _ when Names.Contains(name) => name,
        _ when LabelOf(name) is { } key && labels.ContainsKey(key) => name,
        _ => null,
    };

    private readonly record struct Part(string Text, string? Variable);
}

using System.Globalization;
using System.Text;
using Marionette.ModelServer.Http;

namespace Marionette.ModelServer.Scenarios;

/// <summary>
/// Finds the lines <c>@scenario NAME key=value…</c> in a prompt. A value is bare (up to a space), in double quotes with
/// <c>\n \t \" \\ \uXXXX</c>, or in single quotes taken as they stand.
/// </summary>
internal static class DirectiveParser
{
    private const string Marker = "@scenario";

    /// <summary>The directives in order of their lines; none when the prompt has no such line.</summary>
    /// <exception cref="ApiException">400: a malformed line, no such scenario, an argument it does not take.</exception>
    public static IReadOnlyList<Directive> Parse(string prompt)
    {
        var found = new List<Directive>();
        foreach (var raw in prompt.Split('\n'))
        {
            var line = raw.Trim();
            if (!line.StartsWith(Marker, StringComparison.Ordinal)) continue;
            var rest = line[Marker.Length..];
            if (rest.Length > 0 && !char.IsWhiteSpace(rest[0])) continue; // @scenarios is somebody else's word
            found.Add(ParseLine(rest));
        }

        return found;
    }

    private static Directive ParseLine(string rest)
    {
        var at = 0;
        var name = Word(rest, ref at);
        if (name.Length == 0) throw ApiException.Invalid("@scenario: a name is expected");
        if (!ScenarioCatalog.All.TryGetValue(name, out var known))
        {
            throw ApiException.Invalid(
                $"@scenario {name}: no such scenario; known are {string.Join(", ", ScenarioCatalog.All.Keys.Order())}");
        }

        var arguments = new Dictionary<string, string>();
        var directive = new Directive(name, arguments);
        while (SkipSpace(rest, ref at))
        {
            var equals = rest.IndexOf('=', at);
            var key = equals < 0 ? rest[at..] : rest[at..equals];
            if (equals < 0 || key.Length == 0 || key.Any(char.IsWhiteSpace))
                throw directive.Wrong($"key=value is expected at '{rest[at..]}'");
            if (!known.Arguments.Contains(key)) throw directive.Wrong($"takes no {key}=");
            at = equals + 1;
            if (!arguments.TryAdd(key, Value(rest, ref at, directive))) throw directive.Wrong($"{key}= stands twice");
        }

        return directive;
    }

    private static bool SkipSpace(string text, ref int at)
    {
        while (at < text.Length && char.IsWhiteSpace(text[at])) at++;
        return at < text.Length;
    }

    private static string Word(string text, ref int at)
    {
        SkipSpace(text, ref at);
        var start = at;
        while (at < text.Length && !char.IsWhiteSpace(text[at])) at++;
        return text[start..at];
    }

    private static string Value(string text, ref int at, Directive directive)
    {
        if (at >= text.Length || text[at] is not ('"' or '\'')) return Bare(text, ref at);
        var quote = text[at++];
        var value = new StringBuilder();
        while (at < text.Length)
        {
            var c = text[at++];
            if (c == quote)
            {
                if (at < text.Length && !char.IsWhiteSpace(text[at]))
                    throw directive.Wrong($"a space is expected at '{text[at..]}'");
                return value.ToString();
            }

            value.Append(c == '\\' && quote == '"' ? Escaped(text, ref at, directive) : c);
        }

        throw directive.Wrong("a quote is not closed");
    }

    private static string Bare(string text, ref int at)
    {
        var start = at;
        while (at < text.Length && !char.IsWhiteSpace(text[at])) at++;
        return text[start..at];
    }

    private static char Escaped(string text, ref int at, Directive directive)
    {
        if (at >= text.Length) throw directive.Wrong("a quote is not closed");
        var c = text[at++];
        switch (c)
        {
            case 'n': return '\n';
            case 't': return '\t';
            case '"' or '\\': return c;
            case 'u' when at + 4 <= text.Length
                && ushort.TryParse(
                    text.AsSpan(at, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code):
                at += 4;
                return (char)code;
            default: throw directive.Wrong($"unknown escape \\{c}");
        }
    }
}

using System.Collections.Immutable;
using System.Text;

namespace Marionette.Permissions;

/// <summary>
/// A pattern of one simple command, matched word by word: a <c>*</c> that stands alone is any number of words, inside a word it is any characters of that
/// word, so that no pattern reaches over into another argument by accident.
/// </summary>
internal sealed class CommandPattern
{
    private readonly ImmutableArray<string> _words;
    private readonly bool _isLiteral;

    private CommandPattern(ImmutableArray<string> words)
    {
        _words = words;
        _isLiteral = !words.Any(Wildcard.HasWildcard);
    }

    public static CommandPattern Parse(string pattern)
    {
        var words = ImmutableArray.CreateBuilder<string>();
        var word = new StringBuilder();
        for (var i = 0; i < pattern.Length; i++)
        {
            if (pattern[i] == '\\' && i + 1 < pattern.Length) word.Append(pattern[i]).Append(pattern[++i]);
            else if (pattern[i] is not (' ' or '\t')) word.Append(pattern[i]);
            else if (word.Length > 0)
            {
                words.Add(word.ToString());
                word.Clear();
            }
        }

        if (word.Length > 0) words.Add(word.ToString());
        return new CommandPattern(words.ToImmutable());
    }

    /// <summary>The pattern that matches this command alone. A word without characters cannot be written down.</summary>
    public static string? Exactly(ImmutableArray<string> words) =>
        words.IsEmpty || words.Any(w => w.Length == 0 || w.Any(char.IsControl)) ? null : string.Join(' ', words.Select(Wildcard.Escape));

    public bool IsMatch(ImmutableArray<string> words)
    {
        int p = 0, w = 0, star = -1, mark = 0;
        while (w < words.Length)
        {
            if (p < _words.Length && _words[p] == "*") (star, mark, p) = (p, w, p + 1);
            else if (p < _words.Length && Wildcard.IsMatch(_words[p], words[w])) (p, w) = (p + 1, w + 1);
            else if (star >= 0) (p, w) = (star + 1, ++mark);
            else return false;
        }

        while (p < _words.Length && _words[p] == "*") p++;
        return p == _words.Length && !_words.IsEmpty;
    }

    /// <summary>Whether an allowing rule may go by this match: a wildcard never covers a way out of a folder.</summary>
    public bool Covers(ImmutableArray<string> words) => IsMatch(words) && (_isLiteral || !words.Any(HasParentSegment));

    private static bool HasParentSegment(string word) =>
        word.Contains("..", StringComparison.Ordinal) && word.Split('/', '=', ':').Contains("..");
}

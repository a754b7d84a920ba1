using System.Collections.Immutable;
using System.Text;

namespace Marionette.Permissions;

/// <summary>
/// Splits a POSIX shell command line. It is no shell: whatever would need one to know what runs (expansions, substitutions, here documents,
/// control structures, groups) makes the text "not understood", which no pattern ever allows. It goes on all the same, so that a denial still finds
/// the commands inside.
/// </summary>
internal sealed class ShellParser
{
    /// <summary>Longer texts are not looked at in full by any rule that allows.</summary>
    public const int MaxLength = 64 * 1024;

    private const int MaxDepth = 4;

    /// <summary>Characters that one text may cost in all, with what is nested in it: what hides deeper is not understood, and nobody waits for it.</summary>
    private const int MaxWork = 1_000_000;

    private static readonly HashSet<string> Keywords = new(StringComparer.Ordinal)
    {
        "if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "select", "function", "time", "coproc", "repeat", "foreach",
        "{", "}", "[[", "!", "nocorrect", "noglob", "-", "in",
    };

    private readonly string _text;
    private readonly int _depth;
    private readonly ImmutableArray<ShellCommand>.Builder _commands = ImmutableArray.CreateBuilder<ShellCommand>();
    private readonly List<string> _words = [];
    private readonly List<string> _targets = [];
    private readonly StringBuilder _word = new();
    private bool _inWord, _quoted, _readsPipe, _wantsTarget, _afterOperator;
    private string? _oddity;
    private string? _trouble;
    private int _at;

    private readonly Work _work;

    private ShellParser(string text, int depth, Work work) => (_text, _depth, _work) = (text, depth, work);

    public static ShellScript Parse(string text) => Parse(text, 0, new Work());

    internal static ShellScript Parse(string text, int depth, Work work)
    {
        work.Done += text.Length + 1;
        if (depth > MaxDepth || depth > 0 && work.Done > MaxWork) return new([], "it is nested too deeply");
        var parser = new ShellParser(text, depth, work);
        parser.Run();
        if (text.Length > MaxLength) parser.Trouble("it is too long");
        if (parser._commands.Count == 0) parser.Trouble("it holds no command");
        return new(parser._commands.ToImmutable(), parser._trouble);
    }

    private void Run()
    {
        while (_at < _text.Length)
        {
            var c = _text[_at++];
            switch (c)
            {
                case '\\': Escape(); break;
                case '\'': SingleQuote(); break;
                case '"': DoubleQuote(); break;
                case ' ' or '\t': EndWord(); break;
                case '\n': EndCommand(); break;
                case ';' or '&' or '|': Operator(c); break;
                case '<' or '>': Redirect(c); break;
                case '(' or ')' or '`': Group(c); break;
                case '$': Dollar(); break;
                case '{' or '}': Brace(c); break;
                case '#' when !_inWord: SkipComment(); break;
                case < ' ' or '\u007f': Trouble("it holds a control character"); break;
                default: Add(c); break;
            }
        }

        EndCommand();
        if (_afterOperator) Trouble("it ends in the middle");
    }

    private void Add(char c)
    {
        if (c is '*' or '?' or '[' && _words.Count == 0 && !_wantsTarget) Trouble("its program's name is a pattern");
        if (c is '=' or '~' && _words.Count == 0 && !_inWord && !_wantsTarget) Trouble("its program's name is expanded");
        _word.Append(c);
        _inWord = true;
    }

    private void AddQuoted(char c)
    {
        _word.Append(c);
        _inWord = _quoted = true;
    }

    private void Escape()
    {
        if (_at == _text.Length) Trouble("it ends in the middle");
        else if (_text[_at] == '\n') _at++;
        else AddQuoted(_text[_at++]);
    }

    private void SingleQuote()
    {
        _inWord = _quoted = true;
        var end = _text.IndexOf('\'', _at);
        if (end < 0) Trouble("a quote is not closed");
        _word.Append(_text, _at, (end < 0 ? _text.Length : end) - _at);
        _at = end < 0 ? _text.Length : end + 1;
    }

    private void DoubleQuote()
    {
        _inWord = _quoted = true;
        while (_at < _text.Length)
        {
            var c = _text[_at++];
            if (c == '"') return;
            if (c == '\\' && _at < _text.Length && _text[_at] is '$' or '`' or '"' or '\\' or '\n')
            {
                if (_text[_at++] is not '\n' and var literal) _word.Append(literal);
                continue;
            }

            if (c == '$' && _at < _text.Length && _text[_at] == '(') Nested(++_at, ')');
            else if (c == '`') Nested(_at, '`');
            if (c is '$' or '`') Trouble("it holds an expansion");
            _word.Append(c);
        }

        Trouble("a quote is not closed");
    }

    /// <summary>What stands inside a substitution runs too: it is listed beside the command that it is part of.</summary>
    private void Nested(int from, char close)
    {
        var end = _text.IndexOf(close, from);
        _commands.AddRange(Parse(_text[from..(end < 0 ? _text.Length : end)], _depth + 1, _work).Commands);
    }

    private void Dollar()
    {
        Trouble("it holds an expansion");
        if (_at < _text.Length && _text[_at] == '(') EndCommand();
        else if (_at < _text.Length && _text[_at] == '\'') return;
        else Add('$');
    }

    private void Group(char c)
    {
        Trouble(c == '`' ? "it holds an expansion" : "it holds a group of commands");
        EndCommand();
    }

    private void Brace(char c)
    {
        Trouble("it holds a brace");
        var alone = !_inWord && (_at == _text.Length || char.IsWhiteSpace(_text[_at]) || _text[_at] is ';');
        if (alone) EndCommand();
        else Add(c);
    }

    private void SkipComment()
    {
        while (_at < _text.Length && _text[_at] != '\n') _at++;
    }

    private void Operator(char c)
    {
        if (c == '&' && _at < _text.Length && _text[_at] == '>')
        {
            EndWord();
            return; // "&>file": the next character is a redirection of both outputs.
        }

        var doubled = _at < _text.Length && (_text[_at] == c || c == '|' && _text[_at] == '&');
        var both = doubled && _text[_at] == '&' && c == '|';
        if (doubled) _at++;
        EndWord();
        if (_words.Count == 0) Trouble("a command is missing");
        if (c == ';' && doubled) Trouble("it holds a control structure");
        EndCommand();
        _readsPipe = c == '|' && (!doubled || both);
        _afterOperator = c == '|' || c == '&' && doubled;
    }

    private void Redirect(char c)
    {
        if (!_quoted && _inWord && _word.ToString().All(char.IsAsciiDigit))
        {
            _word.Clear(); // "2>file": the number is no word.
            _inWord = false;
        }

        EndWord();
        var next = _at < _text.Length ? _text[_at] : '\0';
        if (next == '(' || c == '<' && next == '<') Trouble(next == '(' ? "it holds an expansion" : "it holds a here document");
        if (next == '(') return;
        if (next is '>' or '|' or '<' or '&') _at++;
        if (next == '&' && _at < _text.Length && (char.IsAsciiDigit(_text[_at]) || _text[_at] == '-'))
        {
            _at++; // "2>&1": no file is touched.
            if (_at < _text.Length && !(char.IsWhiteSpace(_text[_at]) || _text[_at] is ';' or '|' or '&' or ')')) Trouble("a redirection is unclear");
            return;
        }

        _wantsTarget = true;
    }

    private void EndWord()
    {
        if (!_inWord) return;
        var word = _word.ToString();
        var quoted = _quoted;
        _word.Clear();
        _inWord = _quoted = false;
        if (_wantsTarget)
        {
            _wantsTarget = false;
            if (word == "/dev/null") return;
            _targets.Add(word);
            _oddity ??= "it is redirected to a file";
            return;
        }

        if (_words.Count == 0 && !quoted && Keywords.Contains(word))
        {
            Trouble("it holds a control structure");
            return;
        }

        if (_words.Count == 0 && IsAssignment(word))
        {
            _oddity ??= "it sets a variable";
            return;
        }

        _words.Add(word);
    }

    private void EndCommand()
    {
        EndWord();
        if (_wantsTarget) Trouble("a redirection has no target");
        if (_words.Count > 0 || _oddity is not null)
        {
            if (_words.Count == 0) Trouble("a command is missing");
            _commands.Add(new ShellCommand([.. _words], _oddity, [.. _targets], _readsPipe));
            _afterOperator = false;
        }

        _words.Clear();
        _targets.Clear();
        _oddity = null;
        _readsPipe = _wantsTarget = false;
    }

    /// <summary>What the parsing of one text has cost so far.</summary>
    internal sealed class Work
    {
        public int Done { get; set; }
    }

    private void Trouble(string what) => _trouble ??= what;

    private static bool IsAssignment(string word)
    {
        var equals = word.IndexOf('=');
        if (equals <= 0 || !(char.IsAsciiLetter(word[0]) || word[0] == '_')) return false;
        foreach (var c in word.AsSpan(0, equals))
            if (!(char.IsAsciiLetterOrDigit(c) || c is '_' or '+' or '[' or ']')) return false;
        return true;
    }
}

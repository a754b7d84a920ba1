using System.Text;

namespace Marionette.Cli.Output;

/// <summary>
/// Makes text from elsewhere safe to show: an agent must not move the cursor, retitle the window, write to the clipboard, hide or
/// reorder what it says. Escape sequences go as a whole; line feeds and tabs stay. One instance follows one stream, so that a sequence
/// that is cut in two by the transport is still recognised.
/// </summary>
internal sealed class TerminalText
{
    private enum State { Text, Escape, Sequence, String, StringEscape }

    private State state;
    private bool afterReturn;

    /// <summary>The next piece of the stream, cleaned.</summary>
    public string Clean(string piece)
    {
        if (state == State.Text && !afterReturn && !piece.AsSpan().ContainsAnyInRange('\0', '\x1f') && !NeedsCare(piece))
            return piece;
        var clean = new StringBuilder(piece.Length);
        foreach (var c in piece)
            Next(c, clean);
        return clean.ToString();
    }

    /// <summary>A whole text, cleaned.</summary>
    public static string CleanAll(string text) => new TerminalText().Clean(text);

    /// <summary>A whole text, cleaned and put on one line.</summary>
    public static string OneLine(string text) => CleanAll(text).Replace('\n', ' ').Replace('\t', ' ').Trim();

    private void Next(char c, StringBuilder clean)
    {
        // A lone carriage return would let a line overwrite itself; it becomes the line end it mostly is.
        if (afterReturn)
        {
            afterReturn = false;
            clean.Append('\n');
            if (c == '\n')
                return;
        }
        switch (state)
        {
            case State.Text:
                Plain(c, clean);
                break;
            case State.Escape:
                state = c switch
                {
                    '[' => State.Sequence,
                    ']' or 'P' or 'X' or '^' or '_' => State.String,
                    >= ' ' and <= '/' => State.Escape,
                    _ => State.Text,
                };
                if (c is '\n' or '\x1b')
                    Plain(c, clean);
                break;
            case State.Sequence:
                // Parameters and intermediates, then one final byte. Anything else breaks the sequence off.
                if (c is >= '@' and <= '~')
                    state = State.Text;
                else if (c is < ' ' or > '~')
                {
                    state = State.Text;
                    Plain(c, clean);
                }
                break;
            case State.String:
                if (c is '\a' or '\x9c')
                    state = State.Text;
                else if (c == '\x1b')
                    state = State.StringEscape;
                else if (c == '\n')
                {
                    // Never closed: a terminal would go on swallowing, a reader must not lose the next lines to that.
                    state = State.Text;
                    clean.Append(c);
                }
                break;
            case State.StringEscape:
                state = c == '\\' ? State.Text : State.Escape;
                if (state == State.Escape)
                    Next(c, clean);
                break;
        }
    }

    private void Plain(char c, StringBuilder clean)
    {
        switch (c)
        {
            case '\x1b':
                state = State.Escape;
                break;
            case '\x9b':
                state = State.Sequence;
                break;
            case '\x90' or '\x98' or '\x9d' or '\x9e' or '\x9f':
                state = State.String;
                break;
            case '\r':
                afterReturn = true;
                break;
            case '\n' or '\t':
                clean.Append(c);
                break;
            default:
                if (!char.IsControl(c) && !Reorders(c))
                    clean.Append(c);
                break;
        }
    }

    // Bidirectional overrides show a text in another order than it has: a command could be read as another one.
    private static bool Reorders(char c) => c is (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069');

    private static bool NeedsCare(string piece)
    {
        foreach (var c in piece)
        {
            if (c is (>= '\x7f' and <= '\x9f') || Reorders(c))
                return true;
        }
        return false;
    }
}

using System.Text;
using Marionette.Cli.Output;

namespace Marionette.Cli.Live;

/// <summary>Reads one line, key by key, so that the question can be withdrawn while somebody types.</summary>
internal static class LinePrompt
{
    /// <summary>The line that was entered; null when Escape gave it up.</summary>
    public static async Task<string?> ReadAsync(IKeyboard keyboard, LiveScreen screen, string question, string initial, CancellationToken cancellationToken)
    {
        var line = new StringBuilder(initial);
        screen.Text(question, Style.Ask);
        screen.Text(initial);
        while (true)
        {
            var key = await keyboard.ReadKeyAsync(cancellationToken).ConfigureAwait(false);
            switch (key.Key)
            {
                case ConsoleKey.Enter:
                    screen.EndLine();
                    return line.ToString();
                case ConsoleKey.Escape:
                    screen.EndLine();
                    return null;
                case ConsoleKey.Backspace when line.Length > 0:
                    var pair = line.Length > 1 && char.IsLowSurrogate(line[^1]) ? 2 : 1;
                    line.Length -= pair;
                    screen.Text("\b \b");
                    break;
                case ConsoleKey.U when key.Modifiers == ConsoleModifiers.Control:
                    screen.Text(string.Concat(Enumerable.Repeat("\b \b", line.Length)));
                    line.Clear();
                    break;
                default:
                    if (!char.IsControl(key.KeyChar))
                    {
                        line.Append(key.KeyChar);
                        screen.Text(key.KeyChar.ToString());
                    }
                    break;
            }
        }
    }
}

using System.Text;

namespace Marionette.Cli.Tests.Support;

/// <summary>
/// As much of a VT100 as the live view uses: scroll region, cursor save and restore, index, cursor movement, erase line. What it does
/// not know fails the test, so that the view cannot grow sequences nobody looked at.
/// </summary>
internal sealed class TinyTerminal
{
    private readonly char[][] cells;
    private readonly int width;
    private (int Row, int Column) cursor;
    private (int Row, int Column) saved;
    private int top;
    private int bottom;

    public TinyTerminal(int width, int height)
    {
        this.width = width;
        cells = [.. Enumerable.Range(0, height).Select(_ => Blank())];
        bottom = height - 1;
        Writer = new Pipe(this);
    }

    public TextWriter Writer { get; }

    public string[] Rows => [.. cells.Select(row => new string(row).TrimEnd())];

    private char[] Blank() => [.. Enumerable.Repeat(' ', width)];

    private void Take(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            switch (text[i])
            {
                case '\n':
                    // Terminals are set to make a line feed a new line.
                    Index();
                    cursor.Column = 0;
                    break;
                case '\b':
                    cursor.Column = Math.Max(cursor.Column - 1, 0);
                    break;
                case '\e':
                    i = Sequence(text, i + 1);
                    break;
                default:
                    if (cursor.Column == width)
                    {
                        Index();
                        cursor.Column = 0;
                    }
                    cells[cursor.Row][cursor.Column++] = text[i];
                    break;
            }
        }
    }

    private int Sequence(string text, int at)
    {
        switch (text[at])
        {
            case '7':
                saved = cursor;
                return at;
            case '8':
                cursor = saved;
                return at;
            case 'D':
                Index();
                return at;
            case '[':
                var end = at + 1;
                while (text[end] is < '@' or > '~')
                    end++;
                Control(text[end], [.. text[(at + 1)..end].Split(';').Select(part => int.TryParse(part, out var number) ? number : 0)]);
                return end;
            default:
                throw new NotSupportedException($"ESC {text[at]}");
        }
    }

    private void Control(char final, int[] numbers)
    {
        switch (final)
        {
            case 'm':
                break;
            case 'A':
                cursor.Row = Math.Max(cursor.Row - Math.Max(numbers[0], 1), 0);
                break;
            case 'H':
                cursor = (Math.Clamp(Math.Max(numbers[0], 1), 1, cells.Length) - 1, Math.Max(numbers.ElementAtOrDefault(1), 1) - 1);
                break;
            case 'K' when numbers[0] == 2:
                cells[cursor.Row] = Blank();
                break;
            case 'r':
                top = Math.Max(numbers[0], 1) - 1;
                bottom = (numbers.Length > 1 ? numbers[1] : cells.Length) - 1;
                cursor = (0, 0);
                break;
            default:
                throw new NotSupportedException($"CSI {final}");
        }
    }

    private void Index()
    {
        if (cursor.Row != bottom)
        {
            cursor.Row = Math.Min(cursor.Row + 1, cells.Length - 1);
            return;
        }
        for (var row = top; row < bottom; row++)
            cells[row] = cells[row + 1];
        cells[bottom] = Blank();
    }

    private sealed class Pipe(TinyTerminal terminal) : StringWriter
    {
        public override Encoding Encoding => Encoding.UTF8;

        public override void Write(char value) => terminal.Take(value.ToString());

        public override void Write(string? value) => terminal.Take(value ?? "");
    }
}

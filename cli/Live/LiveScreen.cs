using Marionette.Cli.Output;

namespace Marionette.Cli.Live;

/// <summary>
/// Text that scrolls and, on a terminal, one status row that stays below it. The row is kept out of the scrolling by the terminal's own
/// scroll region, so that half-written lines need not be measured or drawn again. Elsewhere there is only the text.
/// </summary>
internal sealed class LiveScreen : IDisposable
{
    private const int LeastHeight = 6;

    private readonly Lock gate = new();
    private readonly TextWriter output;
    private readonly bool color;
    private readonly Func<(int Width, int Height)> size;
    private readonly bool hasStatus;
    private (int Width, int Height) reserved;
    private string status = "";
    private bool atLineStart = true;
    private bool disposed;

    public LiveScreen(TextWriter output, TerminalFacts terminal)
        : this(output, terminal.Color, terminal.OutputIsTerminal && terminal.Color, terminal.Size)
    {
    }

    internal LiveScreen(TextWriter output, bool color, bool hasStatus, Func<(int Width, int Height)> size)
    {
        this.output = output;
        this.color = color;
        this.hasStatus = hasStatus;
        this.size = size;
    }

    /// <summary>Columns now.</summary>
    public int Width => size().Width;

    /// <summary>A piece of running text: no line end is added.</summary>
    public void Text(string piece, Style style = Style.Plain)
    {
        if (piece.Length == 0)
            return;
        lock (gate)
        {
            output.Write(Paint.Apply(style, piece, color));
            atLineStart = piece[^1] == '\n';
            output.Flush();
        }
    }

    /// <summary>A line of its own, whatever was being written before.</summary>
    public void Line(string text, Style style = Style.Plain)
    {
        lock (gate)
        {
            if (!atLineStart)
                output.Write('\n');
            output.Write(Paint.Apply(style, text, color));
            output.Write('\n');
            atLineStart = true;
            output.Flush();
        }
    }

    /// <summary>Ends a half-written line.</summary>
    public void EndLine()
    {
        lock (gate)
        {
            if (atLineStart)
                return;
            output.Write('\n');
            atLineStart = true;
        }
    }

    /// <summary>Shows the row at the bottom; nothing where there is no terminal.</summary>
    public void Status(string text)
    {
        if (!hasStatus)
            return;
        lock (gate)
        {
            if (disposed || (text == status && size() == reserved))
                return;
            status = text;
            if (Reserve())
                Draw();
        }
    }

    /// <summary>Gives the whole terminal back for a while, to an editor for example; the next <see cref="Status"/> takes the row again.</summary>
    public void Release()
    {
        lock (gate)
        {
            Unreserve();
            status = "";
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            if (disposed)
                return;
            disposed = true;
            EndLine();
            Unreserve();
            output.Flush();
        }
    }

    // Makes room for the row, again after each change of size.
    private bool Reserve()
    {
        var now = size();
        if (now == reserved)
            return true;
        Unreserve();
        if (now.Height < LeastHeight)
            return false;
        // One row down and up again, in the same column: on the last row that scrolls the text, so that the row which is taken is an empty one.
        output.Write($"\eD\e[1A\e7\e[1;{now.Height - 1}r\e8");
        reserved = now;
        return true;
    }

    private void Unreserve()
    {
        if (reserved == default)
            return;
        output.Write($"\e7\e[r\e[{reserved.Height};1H\e[2K\e8");
        output.Flush();
        reserved = default;
    }

    private void Draw()
    {
        var line = Format.Fit(status, reserved.Width - 1);
        output.Write($"\e7\e[{reserved.Height};1H\e[2K{Paint.Apply(Style.Dim, line, color)}\e8");
        output.Flush();
    }
}

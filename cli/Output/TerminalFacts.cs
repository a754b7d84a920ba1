namespace Marionette.Cli.Output;

/// <summary>What kind of terminal, if any, is at the other end.</summary>
/// <param name="InputIsTerminal">A person may type.</param>
/// <param name="OutputIsTerminal">A person reads stdout as it comes.</param>
/// <param name="ErrorIsTerminal">A person reads stderr as it comes.</param>
/// <param name="Color">Colours and cursor movement are wanted: a terminal, not dumb, NO_COLOR not set.</param>
internal sealed record TerminalFacts(bool InputIsTerminal, bool OutputIsTerminal, bool ErrorIsTerminal, bool Color)
{
    /// <summary>Nobody is there: pipes and files all around.</summary>
    public static readonly TerminalFacts None = new(false, false, false, false);

    /// <summary>A question can be shown and answered.</summary>
    public bool CanAsk => InputIsTerminal && (OutputIsTerminal || ErrorIsTerminal);

    public static TerminalFacts FromProcess()
    {
        var dumb = Environment.GetEnvironmentVariable("TERM") is null or "" or "dumb";
        var plain = Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 };
        return new TerminalFacts(
            !Console.IsInputRedirected, !Console.IsOutputRedirected, !Console.IsErrorRedirected, !Console.IsOutputRedirected && !dumb && !plain);
    }

    /// <summary>Columns and rows now; 80 × 24 where that cannot be known.</summary>
    public (int Width, int Height) Size()
    {
        if (!OutputIsTerminal)
            return (80, 24);
        try
        {
            return (Math.Max(Console.WindowWidth, 20), Math.Max(Console.WindowHeight, 1));
        }
        catch (IOException)
        {
            return (80, 24);
        }
    }
}

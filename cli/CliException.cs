namespace Marionette.Cli;

/// <summary>Ends the command with one line on stderr: what is wrong, then what to do.</summary>
/// <param name="message">What is wrong, without a full stop.</param>
/// <param name="hint">What to do about it, a sentence; null when there is nothing useful to say.</param>
internal class CliException(string message, string? hint = null, int exitCode = ExitCode.Failure) : Exception(message)
{
    public string? Hint { get; } = hint;

    public int ExitCode { get; } = exitCode;

    /// <summary>The line as it is printed. Text from the server is in it, so it is made safe for a terminal.</summary>
    public string ToLine()
    {
        var text = Hint is null ? Message : $"{Message.TrimEnd('.', ' ')}. {Hint}";
        return Output.TerminalText.OneLine(text);
    }
}

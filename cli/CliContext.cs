using Marionette.Cli.Live;
using Marionette.Cli.Output;

namespace Marionette.Cli;

/// <summary>The world as a command sees it: streams, environment, clock, network, keyboard.</summary>
internal sealed class CliContext
{
    /// <summary>Results: what another program may read.</summary>
    public required TextWriter Out { get; init; }

    /// <summary>Everything said about the work: progress, errors, questions.</summary>
    public required TextWriter Error { get; init; }

    public required TextReader In { get; init; }

    /// <summary>The command line as it was typed.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    public required Func<string, string?> Environment { get; init; }

    public required TerminalFacts Terminal { get; init; }

    /// <summary>Answers questions; null where nobody can be asked.</summary>
    public IKeyboard? Keyboard { get; init; }

    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>Transport of every request. Null: a real one.</summary>
    public HttpMessageHandler? Transport { get; init; }

    /// <summary>Hands signals to a listener until the result is disposed.</summary>
    public Func<Action<System.Runtime.InteropServices.PosixSignal>, IDisposable> ListenForSignals { get; init; } = Signals.Listen;

    /// <summary>The real thing: this process, its terminal and its environment.</summary>
    public static CliContext FromProcess(string[] args)
    {
        var terminal = TerminalFacts.FromProcess();
        return new CliContext
        {
            Out = Console.Out,
            Error = Console.Error,
            In = Console.In,
            Arguments = args,
            Environment = System.Environment.GetEnvironmentVariable,
            Terminal = terminal,
            Keyboard = terminal.CanAsk ? new ConsoleKeyboard() : null,
        };
    }

    /// <summary>A variable that is set to something; empty counts as not set.</summary>
    public string? Variable(string name) => Environment(name) is { Length: > 0 } value ? value : null;
}

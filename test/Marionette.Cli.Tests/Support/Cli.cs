using System.Runtime.InteropServices;
using Marionette.Cli.Commands;
using Marionette.Cli.Live;
using Marionette.Cli.Output;

namespace Marionette.Cli.Tests.Support;

/// <summary>What a command line did.</summary>
internal sealed record Ran(int Code, string Out, string Error);

/// <summary>Runs whole command lines in this process, with a world that the test makes.</summary>
internal sealed class Cli
{
    private Action<PosixSignal>? listener;

    public Dictionary<string, string> Variables { get; } = new() { ["HOME"] = "/nonexistent", ["XDG_DATA_HOME"] = "/nonexistent", ["XDG_CONFIG_HOME"] = "/nonexistent" };

    public IKeyboard? Keyboard { get; init; }

    public string Input { get; init; } = "";

    public TimeProvider Clock { get; init; } = new HurriedClock();

    /// <summary>Presses Ctrl-C. Only while something listens.</summary>
    public void Signal(PosixSignal signal) => listener!(signal);

    public static Cli For(FakeServer server, IKeyboard? keyboard = null, string input = "")
    {
        var cli = new Cli { Keyboard = keyboard, Input = input };
        cli.Variables["MARIONETTE_API_URL"] = server.Url;
        cli.Variables["MARIONETTE_API_KEY"] = "mk_test";
        return cli;
    }

    public async Task<Ran> RunAsync(params string[] args)
    {
        var output = new StringWriter();
        var error = new StringWriter();
        // What hangs is a failure with a name, not a test program that never ends.
        var code = await CommandLine.RunAsync(args, Context(args, TextWriter.Synchronized(output), TextWriter.Synchronized(error))).WaitAsync(TimeSpan.FromSeconds(30));
        return new Ran(code, output.ToString(), error.ToString());
    }

    public CliContext Context(string[] args, TextWriter output, TextWriter error) => new()
    {
        Out = output,
        Error = error,
        In = new StringReader(Input),
        Arguments = args,
        Environment = name => Variables.GetValueOrDefault(name),
        Terminal = TerminalFacts.None,
        Keyboard = Keyboard,
        Clock = Clock,
        ListenForSignals = action =>
        {
            listener = action;
            return new StringReader("");
        },
    };
}

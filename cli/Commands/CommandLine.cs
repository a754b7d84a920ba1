using System.CommandLine;
using System.CommandLine.Invocation;

namespace Marionette.Cli.Commands;

/// <summary>Parses and runs one command line. Errors become one line on stderr and an exit code; see <see cref="ExitCode"/>.</summary>
internal static class CommandLine
{
    // A prompt may begin with @: that is text, and no file of arguments.
    private static readonly ParserConfiguration Parsing = new() { ResponseFileTokenReplacer = null };

    public static async Task<int> RunAsync(string[] args, CliContext context)
    {
        var root = Create(context);
        var result = root.Parse(args, Parsing);
        if (result.Errors.Count > 0 && result.Action is ParseErrorAction or null)
        {
            var path = PathOf(result);
            // A group alone ("marionette sessions"): what it offers, and the code of a line that does nothing.
            if (result.Tokens.Count == path.Length && result.CommandResult.Command.Subcommands.Count > 0)
            {
                await root.Parse([.. path, "--help"], Parsing).InvokeAsync(new InvocationConfiguration { Output = context.Error }).ConfigureAwait(false);
                return ExitCode.Usage;
            }
            var wrong = result.UnmatchedTokens is [var word, ..] ? $"'{word}' is not understood here" : result.Errors[0].Message.TrimEnd('.');
            context.Error.WriteLine($"marionette: {Output.TerminalText.OneLine(wrong)}. See '{string.Join(' ', path.Prepend("marionette"))} --help'.");
            return ExitCode.Usage;
        }
        try
        {
            // Signals are ours: a live view gives Ctrl-C a meaning, everything else ends at once.
            var invocation = new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
                Output = context.Out,
                Error = context.Error,
            };
            return await result.InvokeAsync(invocation).ConfigureAwait(false);
        }
        catch (CliException error)
        {
            context.Error.WriteLine($"marionette: {error.ToLine()}");
            return error.ExitCode;
        }
        catch (OperationCanceledException)
        {
            return ExitCode.Interrupted;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            context.Error.WriteLine($"marionette: {Output.TerminalText.OneLine(error.Message)}");
            return ExitCode.Failure;
        }
    }

    public static RootCommand Create(CliContext context)
    {
        var globals = new GlobalOptions();
        var root = new RootCommand("Marionette: a control plane for AI coding agents.")
        {
            DemoCommand.Create(context),
            UpCommand.Create(context),
            TestCommand.Create(context),
            BenchCommand.Create(context),
            DoctorCommand.Create(globals, context),
            SessionsCommand.Create(globals, context),
            TasksCommand.Create(globals, context),
            PermissionsCommand.Create(globals, context),
            PoliciesCommand.Create(globals, context),
            HooksCommand.Create(globals, context),
            AgentsCommand.Create(globals, context),
            RunnersCommand.Create(globals, context),
            ProfilesCommand.Create(globals, context),
            ProvidersCommand.Create(globals, context),
            SnapshotsCommand.Create(globals, context),
            StorageCommand.Create(globals, context),
            PoolsCommand.Create(globals, context),
            HostsCommand.Create(globals, context),
            UsageCommands.Usage(globals, context),
            UsageCommands.Budget(globals, context),
            ScheduledTasksCommand.Create(globals, context),
            AgentConfigsCommand.Create(globals, context),
            KeysCommand.Create(globals, context),
            ConfigCommand.Create(globals, context),
            VersionCommand.Create(globals, context),
            CompletionCommand.Create(context),
        };
        globals.AddTo(root);
        RootHelp.AddTo(root);
        return root;
    }

    private static string[] PathOf(ParseResult result)
    {
        var path = new List<string>();
        for (var command = result.CommandResult; command.Parent is System.CommandLine.Parsing.CommandResult parent; command = parent)
            path.Insert(0, command.Command.Name);
        return [.. path];
    }
}

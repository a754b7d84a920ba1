using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Marionette.Cli.Commands;

/// <summary>Adds to the root's help what no single option can say: first steps, variables, exit codes.</summary>
internal static class RootHelp
{
    private const string More = """

        First steps:
          ./marionette demo     the main job on this machine, offline if need be
          ./marionette up       the same stack, to stay
          ./marionette tasks run "add a test for the parser"

        Variables:
          MARIONETTE_API_URL, MARIONETTE_API_KEY, MARIONETTE_CONTEXT   the server and key, when no option names them
          ANTHROPIC_API_KEY     key for the model: 'demo', 'tasks run' and 'sessions create' hand it to the session
          NO_COLOR              no colours, no status row
        Variables of the ./marionette script:
          MARIONETTE_TOOLS      folder for what it installs (Claude Code)
          MARIONETTE_CLAUDE     a claude program to use instead of the pinned one
          MARIONETTE_CODEX, MARIONETTE_OPENCODE, MARIONETTE_CLAUDE_ACP
                                the same for codex, opencode and claude-agent-acp
          MARIONETTE_S3RVER     the same for s3rver, which the tests use
          MARIONETTE_VERBOSE    show everything that set-up says
          MARIONETTE_SKIP_SETUP run what is built, check nothing

        Exit codes:
          0 done   1 failed   2 wrong usage   3 task failed   4 task canceled   5 task timed out   6 key refused   130 interrupted
        """;

    public static void AddTo(RootCommand root)
    {
        var help = root.Options.OfType<HelpOption>().Single();
        help.Action = new Action((HelpAction)help.Action!, root);
        help.Aliases.Clear();
        help.Aliases.Add("-h");
        // 'version' is a command here, as in the original; two spellings of one thing are one too many.
        root.Options.Remove(root.Options.OfType<VersionOption>().Single());
    }

    private sealed class Action(HelpAction usual, RootCommand root) : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            var configuration = parseResult.InvocationConfiguration;
            var output = configuration.Output;
            using var text = new StringWriter();
            configuration.Output = text;
            var code = usual.Invoke(parseResult);
            configuration.Output = output;
            // People start the script; the program's own file name would only confuse.
            output.Write(text.ToString().Replace(RootCommand.ExecutableName, "marionette").TrimEnd() + "\n");
            if (parseResult.CommandResult.Command == root)
                output.WriteLine(More);
            return code;
        }
    }
}

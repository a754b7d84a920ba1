using System.CommandLine;
using Marionette.Cli.Local;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette bench</c>: hands over to the bench program, arguments as they are.</summary>
internal static class BenchCommand
{
    public static Command Create(CliContext context)
    {
        var rest = new Argument<string[]>("ARGUMENTS") { Description = "--only NAME…, -o json and whatever else the bench takes", Arity = ArgumentArity.ZeroOrMore, CaptureRemainingTokens = true };
        var command = new Command("bench", "Measure this build on this machine") { rest };
        command.TreatUnmatchedTokensAsErrors = false;
        command.SetAction(result =>
        {
            var layout = Layout.Find(context);
            // The words as they were typed: options that look like ours ("-o json") are the bench's.
            var typed = context.Arguments.SkipWhile(word => word != "bench").Skip(1);
            ProcessImage.Replace([Layout.Need(layout.Bench, "the bench"), .. typed], ("MARIONETTE_ARTIFACTS", layout.Home));
        });
        return command;
    }
}

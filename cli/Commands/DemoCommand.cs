using System.CommandLine;
using Marionette.Cli.Live;
using Marionette.Cli.Local;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette demo</c>: a stack of its own, a session with the real agent, one task, everything shown, everything stopped.</summary>
internal static class DemoCommand
{
    private const string FileName = "hello.txt";

    // The scripted model plays the directives; to a real one they would only be noise.
    private const string Request = $"Look around with one shell command, then write a friendly greeting of two lines to {FileName}.";
    private const string Script = $"""

        @scenario say text="Let me see where I am before I write anything."
        @scenario shell cmd="uname -sm && mkdir -p notes && ls -l" description="Look around"
        @scenario write file={FileName} text="Hello from Marionette!\nThe real agent wrote this file, once it was allowed to.\n"
        @scenario say text="That is all I was asked to do."
        """;

    public static Command Create(CliContext context)
    {
        var yes = new Option<bool>("--yes", "-y") { Description = "Allow everything the agent asks for" };
        var prompt = new Option<string?>("--prompt", "-p") { Description = "Another task than the demo's own" };
        var data = new Option<string?>("--data-dir") { Description = $"Folder of the demo's stack ({DataFolder.Demo(context)})", HelpName = "DIR" };
        var keep = new Option<bool>("--keep") { Description = "Keep the stack running until Ctrl-C, to try more with it" };
        var model = new Option<string?>("--model") { Description = "Model, as the agent names it" };
        var command = new Command("demo", "The main job, end to end: server, runner, Claude Code, one task, live") { yes, prompt, data, keep, model };
        command.SetAction(async (result, cancellationToken) =>
        {
            var demo = new DemoRun(context, Path.GetFullPath(result.GetValue(data) ?? DataFolder.Demo(context)))
            {
                Prompt = result.GetValue(prompt),
                Model = result.GetValue(model),
                Answer = result.GetValue(yes) ? AnswerMode.Allow : AnswerMode.Ask,
                Keep = result.GetValue(keep),
            };
            return await demo.RunAsync(Request, Script, cancellationToken).ConfigureAwait(false);
        });
        return command;
    }
}

using System.CommandLine;
using Marionette.Cli.Live;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette sessions attach</c>: a session as it goes on, or from its first event.</summary>
internal static class AttachCommand
{
    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("SESSION");
        var all = new Option<bool>("--all", "-a") { Description = "From the first event on" };
        var after = new Option<long?>("--after") { Description = "From the event after this one on", HelpName = "SEQ" };
        var answer = new Option<bool>("--answer") { Description = "Answer permission requests here; without it they are only shown" };
        var thinking = new Option<bool>("--thinking") { Description = "Show the model's thinking" };
        var command = new Command("attach", "Watch a session; with -o json its events, one a line") { id, all, after, answer, thinking };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var session = await api.GetAsync($"/api/v1/sessions/{Uri.EscapeDataString(result.GetValue(id)!)}", cancellationToken).ConfigureAwait(false);
            var json = result.GetValue(globals.Output) == OutputFormat.Json;
            using var screen = json ? new LiveScreen(context.Error, TerminalFacts.None) : new LiveScreen(context.Out, context.Terminal);
            screen.Line($"{session.Text("id")} · {session.Text("agent")} · {session.Text("status")}", Style.Dim);
            var view = new LiveView(api, context, screen);
            var followed = await view.FollowAsync(new FollowOptions
            {
                SessionId = result.GetValue(id)!,
                After = result.GetValue(all) ? 0 : result.GetValue(after) ?? session.Number("last_seq") ?? 0,
                Answer = result.GetValue(answer) ? AnswerMode.Ask : AnswerMode.Show,
                Transcript = new TranscriptOptions { Prompts = true, Thinking = result.GetValue(thinking) },
                Silent = json,
                OnEvent = json ? entry => context.Out.WriteLine(JsonText.Compact(entry.Json)) : null,
            }, cancellationToken).ConfigureAwait(false);
            return followed.Interrupted ? ExitCode.Interrupted : ExitCode.Ok;
        });
        return command;
    }
}

using System.CommandLine;
using System.Text.Json;
using Marionette.Cli.Api;
using Marionette.Cli.Live;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary><c>tasks logs</c>: what a task said, as it was shown live; with <c>-o json</c> the API's log lines.</summary>
internal static class LogsCommand
{
    private const int PageSize = 200;

    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("TASK");
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on until the task has ended" };
        var tail = new Option<int?>("--tail") { Description = "Only the last lines", HelpName = "N" };
        var thinking = new Option<bool>("--thinking") { Description = "Show the model's thinking" };
        var command = new Command("logs", "Show what a task said") { id, follow, tail, thinking };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var task = result.GetValue(id)!;
            if (!result.GetValue(globals.Output).IsForPeople() && !result.GetValue(follow))
            {
                var limit = Math.Clamp(result.GetValue(tail) ?? PageSize, 1, PageSize);
                var page = await api.GetAsync($"/api/v1/tasks/{Uri.EscapeDataString(task)}/logs?limit={limit}", cancellationToken).ConfigureAwait(false);
                globals.Results(result, context).List(page, [], "");
                return ExitCode.Ok;
            }
            var found = await api.GetAsync($"/api/v1/tasks/{Uri.EscapeDataString(task)}", cancellationToken).ConfigureAwait(false);
            var options = new TranscriptOptions { Prompts = true, Thinking = result.GetValue(thinking) };
            return result.GetValue(follow) && found.Text("ended_at") is null
                ? await FollowAsync(api, context, found, options, result.GetValue(globals.Output) == OutputFormat.Json, cancellationToken).ConfigureAwait(false)
                : await ReplayAsync(api, context, found, options, result.GetValue(tail), cancellationToken).ConfigureAwait(false);
        });
        return command;
    }

    private static async Task<int> FollowAsync(ApiClient api, CliContext context, JsonElement task, TranscriptOptions options, bool json, CancellationToken cancellationToken)
    {
        using var screen = json ? new LiveScreen(context.Error, TerminalFacts.None) : new LiveScreen(context.Out, context.Terminal);
        var followed = await new LiveView(api, context, screen).FollowAsync(new FollowOptions
        {
            SessionId = task.Text("session_id")!,
            TaskId = task.Text("id"),
            After = First(task),
            Transcript = options,
            Silent = json,
            OnEvent = json ? entry => context.Out.WriteLine(JsonText.Compact(entry.Json)) : null,
        }, cancellationToken).ConfigureAwait(false);
        if (!json)
            Ending.Show(screen, followed.Progress);
        return followed.ExitCode;
    }

    // Reads the stored events a page at a time; the task's own end, or the end of what is stored, ends it.
    private static async Task<int> ReplayAsync(ApiClient api, CliContext context, JsonElement task, TranscriptOptions options, int? tail, CancellationToken cancellationToken)
    {
        using var kept = new StringWriter();
        using var screen = tail is null ? new LiveScreen(context.Out, context.Terminal) : new LiveScreen(kept, TerminalFacts.None);
        var transcript = new Transcript(screen, options);
        var progress = new TaskProgress();
        var after = First(task);
        var last = task.Number("last_seq") ?? long.MaxValue;
        for (var more = true; more && after < last;)
        {
            var page = await api.GetAsync($"/api/v1/sessions/{Uri.EscapeDataString(task.Text("session_id")!)}/events?after={after}&limit={PageSize}", cancellationToken).ConfigureAwait(false);
            more = page.Flag("has_more");
            foreach (var entry in page.Items("items").Select(SessionEvent.From).Where(entry => entry.Seq > after && entry.Seq <= last))
            {
                after = entry.Seq;
                if (entry.TaskId is not null && entry.TaskId != task.Text("id"))
                    continue;
                progress = progress.Apply(entry);
                transcript.Show(entry);
            }
        }
        if (progress.Outcome is not null)
            Ending.Show(screen, progress);
        if (tail is { } lines)
        {
            foreach (var line in kept.ToString().TrimEnd('\n').Split('\n').TakeLast(Math.Max(lines, 0)))
                context.Out.WriteLine(line);
        }
        return ExitCode.Ok;
    }

    private static long First(JsonElement task) => Math.Max((task.Number("first_seq") ?? 1) - 1, 0);
}

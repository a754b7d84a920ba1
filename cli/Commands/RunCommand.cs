using System.CommandLine;
using System.Text.Json;
using Marionette.Cli.Api;
using Marionette.Cli.Live;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary><c>tasks run</c>, which watches the task to its end, and <c>tasks create</c>, which by default does not.</summary>
internal static class RunCommand
{
    private sealed class WatchOptions
    {
        public Option<bool> Yes { get; } = new("--yes", "-y") { Description = "Allow everything the agent asks for" };

        public Option<bool> Leave { get; } = new("--leave-permissions") { Description = "Answer no permission request here; somebody else does" };

        public Option<bool> Thinking { get; } = new("--thinking") { Description = "Show the model's thinking" };

        public void AddTo(Command command)
        {
            command.Add(Yes);
            command.Add(Leave);
            command.Add(Thinking);
        }
    }

    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var task = new TaskOptions();
        var watch = new WatchOptions();
        var remove = new Option<bool>("--rm") { Description = "Terminate the session at the end, if this command made it" };
        var command = new Command("run", "Run a prompt and watch it; the exit code is the task's");
        task.AddTo(command);
        watch.AddTo(command);
        command.Add(remove);
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var created = await SubmitAsync(api, task, result, context, cancellationToken).ConfigureAwait(false);
            var code = await WatchAsync(api, globals, context, result, watch, created, draw: true, cancellationToken).ConfigureAwait(false);
            if (created.NewSession && result.GetValue(remove))
                await api.DeleteAsync($"/api/v1/sessions/{created.SessionId}", CancellationToken.None).ConfigureAwait(false);
            else if (created.NewSession && result.GetValue(globals.Output).IsForPeople())
                context.Error.WriteLine($"The session is kept: marionette tasks run --session {created.SessionId} \"…\"");
            return code;
        });
        return command;
    }

    /// <summary>The original's <c>tasks create</c>: queues the task and prints it; <c>--wait</c> and <c>--follow</c> stay until it has ended.</summary>
    public static Command CreateDetached(GlobalOptions globals, CliContext context)
    {
        var task = new TaskOptions();
        var watch = new WatchOptions();
        var wait = new Option<bool>("--wait") { Description = "Wait for the end; the exit code is the task's" };
        var follow = new Option<bool>("--follow", "-f") { Description = "Watch it, as 'tasks run' does" };
        var command = new Command("create", "Queue a prompt and return at once") { wait, follow };
        task.AddTo(command);
        watch.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var created = await SubmitAsync(api, task, result, context, cancellationToken).ConfigureAwait(false);
            if (result.GetValue(follow) || result.GetValue(wait))
                return await WatchAsync(api, globals, context, result, watch, created, result.GetValue(follow), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(created.Task, Columns.Task(context.Clock));
            return ExitCode.Ok;
        });
        return command;
    }

    private sealed record Created(JsonElement Task, string SessionId, bool NewSession)
    {
        public string TaskId => Task.Text("id")!;
    }

    private static async Task<Created> SubmitAsync(ApiClient api, TaskOptions options, ParseResult result, CliContext context, CancellationToken cancellationToken)
    {
        var prompt = await options.PromptAsync(result, context, cancellationToken).ConfigureAwait(false);
        var key = result.GetValue(options.IdempotencyKey);
        var session = result.GetValue(options.Session);
        var made = session is null;
        if (session is null)
        {
            var body = options.NewSession.Body(result, context);
            session = (await api.CreateAsync("/api/v1/sessions", body, key, cancellationToken).ConfigureAwait(false)).Text("id")!;
        }
        var task = await api.CreateAsync("/api/v1/tasks", await options.BodyAsync(result, session, prompt, cancellationToken).ConfigureAwait(false), key, cancellationToken).ConfigureAwait(false);
        return new Created(task, session, made);
    }

    private static async Task<int> WatchAsync(ApiClient api, GlobalOptions globals, CliContext context, ParseResult result, WatchOptions watch, Created created, bool draw, CancellationToken cancellationToken)
    {
        // With a format for programs stdout is theirs; what people want to see goes to stderr.
        var table = result.GetValue(globals.Output).IsForPeople();
        using var screen = table ? new LiveScreen(context.Out, context.Terminal) : new LiveScreen(context.Error, TerminalFacts.None);
        if (draw)
            screen.Line($"{created.SessionId} · {created.TaskId}", Style.Dim);
        var followed = await new LiveView(api, context, screen).FollowAsync(new FollowOptions
        {
            SessionId = created.SessionId,
            TaskId = created.TaskId,
            After = Math.Max((created.Task.Number("first_seq") ?? 1) - 1, 0),
            Answer = result.GetValue(watch.Yes) ? AnswerMode.Allow : result.GetValue(watch.Leave) || !draw ? AnswerMode.Show : AnswerMode.Ask,
            Transcript = new TranscriptOptions { Thinking = result.GetValue(watch.Thinking) },
            CancelOnInterrupt = true,
            Silent = !draw,
        }, cancellationToken).ConfigureAwait(false);
        if (draw)
            Ending.Show(screen, followed.Progress);
        if (!table || !draw)
        {
            var task = await api.GetAsync($"/api/v1/tasks/{Uri.EscapeDataString(created.TaskId)}", cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(task, Columns.Task(context.Clock));
        }
        return followed.ExitCode;
    }
}

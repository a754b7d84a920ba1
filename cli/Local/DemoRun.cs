using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using Marionette.Cli.Api;
using Marionette.Cli.Commands;
using Marionette.Cli.Live;
using Marionette.Cli.Output;

namespace Marionette.Cli.Local;

/// <summary>One run of the demo, from the empty machine to the stopped stack.</summary>
internal sealed class DemoRun(CliContext context, string folder)
{
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(10);

    // While the task is watched, Ctrl-C is about the task; otherwise it ends the demo.
    private volatile bool watching;

    public string? Prompt { get; init; }

    public string? Model { get; init; }

    public AnswerMode Answer { get; init; }

    public bool Keep { get; init; }

    /// <summary>Runs it; the exit code is the task's.</summary>
    /// <param name="request">What is asked of the agent, when the user asks nothing else.</param>
    /// <param name="script">The directives added for the scripted model.</param>
    public async Task<int> RunAsync(string request, string script, CancellationToken cancellationToken)
    {
        var key = context.Variable("ANTHROPIC_API_KEY");
        var layout = Layout.Find(context);
        if (layout.Claude is null)
            throw new CliException("Claude Code is not installed", "Start with the ./marionette script, which installs it, or set MARIONETTE_CLAUDE.");
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        // For the whole run: a signal must never end this process while servers of its own are up.
        using var signals = context.ListenForSignals(signal =>
        {
            if (!watching || signal != PosixSignal.SIGINT)
                leave.Cancel();
        });
        using var screen = new LiveScreen(context.Out, context.Terminal);
        screen.Line(key is null
            ? "ANTHROPIC_API_KEY is not set: the model is the scripted server that comes with Marionette. The agent is the real Claude Code."
            : "ANTHROPIC_API_KEY is set: the agent talks to the real model, which costs a little.");
        try
        {
            screen.Line("Starting PostgreSQL, silo and gateway …", Style.Dim);
            var began = context.Clock.GetTimestamp();
            await using var stack = await DemoStack.StartAsync(layout, folder, offline: key is null, context, leave.Token).ConfigureAwait(false);
            screen.Line($"Ready in {Format.Duration(context.Clock.GetElapsedTime(began))}: {stack.Server.ApiUrl}", Style.Dim);
            using var api = new ApiClient(new Endpoint(stack.Server.ApiUrl, stack.Server.ApiKey, DataFolder.EndpointsFile(folder)), context.Clock, context.Transport);
            var code = await WorkAsync(api, stack, key, Prompt ?? (key is null ? request + "\n" + script : request), screen, leave.Token).ConfigureAwait(false);
            screen.Line("Stopping what was started …", Style.Dim);
            return code;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            screen.Line("Stopped.", Style.Dim);
            return ExitCode.Interrupted;
        }
    }

    private async Task<int> WorkAsync(ApiClient api, DemoStack stack, string? key, string prompt, LiveScreen screen, CancellationToken cancellationToken)
    {
        var body = new JsonObject { ["agent"] = "claude", ["name"] = "demo", ["api_key"] = key ?? "sk-offline-demo" }
            .Put("base_url", stack.ModelUrl ?? context.Variable("ANTHROPIC_BASE_URL"))
            .Put("model", Model);
        var session = (await api.CreateAsync("/api/v1/sessions", body, null, cancellationToken).ConfigureAwait(false)).Text("id")!;
        var task = await api.CreateAsync("/api/v1/tasks", new JsonObject { ["session_id"] = session, ["prompt"] = prompt }, null, cancellationToken).ConfigureAwait(false);
        screen.Line($"Session {session}, task {task.Text("id")}", Style.Dim);
        screen.Line($"> {prompt.Split('\n')[0]}", Style.Bold);
        try
        {
            return await WatchAsync(api, stack, session, task, screen, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            // In order: the session ends, its runner with it; what is stopped after that has nothing left to lose.
            await EndAsync(api, session).ConfigureAwait(false);
        }
    }

    private async Task<int> WatchAsync(ApiClient api, DemoStack stack, string session, JsonElement task, LiveScreen screen, CancellationToken cancellationToken)
    {
        watching = true;
        var followed = await new LiveView(api, context, screen).FollowAsync(new FollowOptions
        {
            SessionId = session,
            TaskId = task.Text("id"),
            After = Math.Max((task.Number("first_seq") ?? 1) - 1, 0),
            Answer = Answer,
            CancelOnInterrupt = true,
        }, cancellationToken).ConfigureAwait(false);
        watching = false;
        if (followed.Progress.Outcome is not null)
            Ending.Show(screen, followed.Progress);
        foreach (var file in followed.Progress.WrittenFiles)
            ShowFile(file, screen);
        if (!followed.Interrupted)
            NextSteps(stack, session, screen);
        if (Keep && !followed.Interrupted)
            await StayAsync(stack, screen, cancellationToken).ConfigureAwait(false);
        return followed.ExitCode;
    }

    private async Task EndAsync(ApiClient api, string session)
    {
        using var limit = new CancellationTokenSource(EndLimit, context.Clock);
        try
        {
            await api.DeleteAsync($"/api/v1/sessions/{session}", limit.Token).ConfigureAwait(false);
            await foreach (var entry in new EventFeed(api, context.Clock).ReadAsync(session, 0, limit.Token).ConfigureAwait(false))
            {
                if (entry.Type is "runner.released" or "runner.lost")
                    return;
            }
        }
        catch (Exception error) when (error is CliException or OperationCanceledException)
        {
            // The server is going away anyway; what is left is stopped by its id.
        }
    }

    // The process provider's runners work on this machine: what they wrote can be read here.
    private static void ShowFile(string file, LiveScreen screen)
    {
        if (!Path.IsPathRooted(file) || !File.Exists(file))
        {
            screen.Line($"{TerminalText.OneLine(file)} was not written.", Style.Dim);
            return;
        }
        screen.Line($"{TerminalText.OneLine(file)}:", Style.Bold);
        using var reader = new StreamReader(file);
        for (var line = 0; line < 20 && reader.ReadLine() is { } text; line++)
            screen.Line("  " + TerminalText.CleanAll(text));
    }

    // What is printed can be pasted: with --keep it is for this stack, else for the one that 'up' starts.
    private void NextSteps(DemoStack stack, string session, LiveScreen screen)
    {
        var url = Keep ? stack.Server.ApiUrl.ToString().TrimEnd('/') : "http://127.0.0.1:8080";
        var endpoints = DataFolder.EndpointsFile(Keep ? folder : DataFolder.Default(context));
        var offline = Keep && stack.ModelUrl is not null;
        screen.Line("");
        screen.Line("What to try next", Style.Bold);
        if (Keep)
        {
            screen.Line($"  ./marionette -s {url} -k \"$API_KEY\" sessions attach {session} --all   # the whole session again");
        }
        else
        {
            screen.Line("  ./marionette up                                       # the same stack, to stay; then, in another terminal:");
            screen.Line("  ./marionette tasks run \"Write a haiku to haiku.txt\"    # with ANTHROPIC_API_KEY set: a new session, watched");
            screen.Line("  ./marionette demo --keep                              # offline: this stack stays, with the scripted model");
        }
        screen.Line("");
        screen.Line("The same with curl:", Style.Bold);
        screen.Line($"  API_KEY=$(sed -n 's/.*\"api_key\": *\"\\([^\"]*\\)\".*/\\1/p' {endpoints})");
        screen.Line($"  SESSION=$(curl -s {url}/api/v1/sessions -H \"Authorization: Bearer $API_KEY\" -H 'Content-Type: application/json' \\");
        screen.Line(offline
            ? $"    -d '{{\"agent\":\"claude\",\"api_key\":\"any\",\"base_url\":\"{stack.ModelUrl}\"}}' | grep -o 'sess_[A-Za-z0-9]*' | head -n 1)"
            : "    -d '{\"agent\":\"claude\",\"api_key\":\"'\"$ANTHROPIC_API_KEY\"'\"}' | grep -o 'sess_[A-Za-z0-9]*' | head -n 1)");
        screen.Line($"  curl -s {url}/api/v1/tasks -H \"Authorization: Bearer $API_KEY\" -H 'Content-Type: application/json' \\");
        screen.Line("    -d '{\"session_id\":\"'$SESSION'\",\"prompt\":\"Write a haiku to haiku.txt\"}'");
        screen.Line($"  curl -N {url}/api/v1/sessions/$SESSION/events -H \"Authorization: Bearer $API_KEY\" -H 'Accept: text/event-stream'");
        screen.Line("");
    }

    private async Task StayAsync(DemoStack stack, LiveScreen screen, CancellationToken cancellationToken)
    {
        screen.Line($"The stack stays at {stack.Server.ApiUrl} until Ctrl-C; its key is in {DataFolder.EndpointsFile(folder)}", Style.Bold);
        try
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, context.Clock, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
        }
    }
}

using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Marionette.Cli.Api;
using Marionette.Cli.Commands;
using Marionette.Cli.Live;
using Marionette.Cli.Output;

namespace Marionette.Cli.Local;

/// <summary>One run of the demo, from the empty machine to the stopped stack.</summary>
internal sealed class DemoRun(CliContext context, string folder)
{
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(30), EndLook = TimeSpan.FromMilliseconds(50);

    private string? session;

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
        var watching = false;
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
            try
            {
                watching = true;
                var code = await WorkAsync(api, stack, key, Prompt ?? (key is null ? request + "\n" + script : request), screen, leave.Token).ConfigureAwait(false);
                watching = false;
                if (Keep)
                    await StayAsync(stack, screen, leave.Token).ConfigureAwait(false);
                return code;
            }
            finally
            {
                screen.Line("Stopping what was started …", Style.Dim);
                await EndSessionAsync(api, screen).ConfigureAwait(false);
            }
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
        session = (await api.CreateAsync("/api/v1/sessions", body, null, cancellationToken).ConfigureAwait(false)).Text("id")!;
        var task = await api.CreateAsync("/api/v1/tasks", new JsonObject { ["session_id"] = session, ["prompt"] = prompt }, null, cancellationToken).ConfigureAwait(false);
        screen.Line($"Session {session}, task {task.Text("id")}", Style.Dim);
        screen.Line($"> {prompt.Split('\n')[0]}", Style.Bold);
        var followed = await new LiveView(api, context, screen).FollowAsync(new FollowOptions
        {
            SessionId = session,
            TaskId = task.Text("id"),
            After = Math.Max((task.Number("first_seq") ?? 1) - 1, 0),
            Answer = Answer,
            CancelOnInterrupt = true,
        }, cancellationToken).ConfigureAwait(false);
        Ending.Show(screen, followed.Progress);
        foreach (var file in followed.Progress.WrittenFiles)
            ShowFile(file, screen);
        if (!followed.Interrupted)
            NextSteps(stack, session, screen);
        return followed.ExitCode;
    }

    /// <summary>
    /// A runner outlives its server on purpose and waits for it to come back; nobody brings the demo's back. Its folder goes when its
    /// processes have gone.
    /// </summary>
    private async Task EndSessionAsync(ApiClient api, LiveScreen screen)
    {
        if (session is null)
            return;
        using var limit = new CancellationTokenSource(EndLimit, context.Clock);
        try
        {
            var path = $"/api/v1/sessions/{Uri.EscapeDataString(session)}";
            var runner = (await api.GetAsync(path, limit.Token).ConfigureAwait(false)).Text("runner_id");
            await api.DeleteAsync(path, limit.Token).ConfigureAwait(false);
            while (runner is not null && Directory.Exists(Path.Combine(folder, "runners", runner)))
                await Task.Delay(EndLook, context.Clock, limit.Token).ConfigureAwait(false);
        }
        catch (Exception error) when (error is CliException or OperationCanceledException)
        {
            screen.Line($"! the session's runner may still run: {(error as CliException)?.ToLine() ?? "it did not end in time"}", Style.Bad);
        }
    }

    // The process provider's runners work on this machine: what they wrote can be read here.
    private void ShowFile(string named, LiveScreen screen)
    {
        var file = File.Exists(named) ? named : Find(Path.GetFileName(named));
        if (file is null)
        {
            screen.Line($"{named} was not written.", Style.Bad);
            return;
        }
        screen.Line($"{file}:", Style.Bold);
        using var reader = new StreamReader(file);
        for (var line = 0; line < 20 && reader.ReadLine() is { } text; line++)
            screen.Line("  " + TerminalText.CleanAll(text));
    }

    private string? Find(string name)
    {
        var options = new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint };
        return Directory.EnumerateFiles(folder, name, options).Select(path => new FileInfo(path)).MaxBy(info => info.LastWriteTimeUtc)?.FullName;
    }

    private void NextSteps(DemoStack stack, string session, LiveScreen screen)
    {
        var url = Keep ? stack.Server.ApiUrl.ToString().TrimEnd('/') : "http://127.0.0.1:8080";
        var endpoints = DataFolder.EndpointsFile(Keep ? folder : DataFolder.Default(context));
        screen.Line("");
        screen.Line("What to try next", Style.Bold);
        if (!Keep)
            screen.Line("  ./marionette up                                # the same stack, to stay; then, in another terminal:");
        else
            screen.Line($"  ./marionette -s {url} sessions attach {session} --all");
        screen.Line("  ./marionette tasks run \"what is in this folder?\"  # makes a session and watches the task");
        screen.Line("");
        screen.Line($"  API_KEY=$(sed -n 's/.*\"api_key\": *\"\\([^\"]*\\)\".*/\\1/p' {endpoints})");
        screen.Line($"  curl -s {url}/api/v1/sessions -H \"Authorization: Bearer $API_KEY\" -H 'Content-Type: application/json' \\");
        screen.Line("    -d '{\"agent\":\"claude\",\"api_key\":\"'\"$ANTHROPIC_API_KEY\"'\"}'");
        screen.Line($"  curl -s {url}/api/v1/tasks -H \"Authorization: Bearer $API_KEY\" -H 'Content-Type: application/json' \\");
        screen.Line("    -d '{\"session_id\":\"sess_…\",\"prompt\":\"Write a haiku to haiku.txt\"}'");
        screen.Line($"  curl -N {url}/api/v1/sessions/sess_…/events -H \"Authorization: Bearer $API_KEY\" -H 'Accept: text/event-stream'");
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

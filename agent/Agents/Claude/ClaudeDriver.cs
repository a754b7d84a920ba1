using Marionette.Agent.Agents.Input;
using Marionette.Agent.Agents.Permissions;
using Marionette.Agent.Broker;
using Marionette.Agent.Events;
using Marionette.Agent.Hosting;
using Marionette.Agent.Processes;
using Marionette.Protocol.V1;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Agents.Claude;

/// <summary>
/// Drives Claude Code over its stream-json control protocol: one process for the runner, started at the first run and kept for
/// the next ones, started again with its conversation when it died.
/// </summary>
internal sealed partial class ClaudeDriver : IAgentDriver, ILineListener
{
    // The process that died in between, then the conversation that it cannot find, then the run.
    private const int MaxTries = 3;

    private const string NewName = "new";

    private static readonly TimeSpan InterruptPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(3);

    private readonly AgentServices services;
    private readonly EventSink sink;
    private readonly TimeProvider clock;
    private readonly ILogger log;
    private readonly OpenRequests permissions;
    private readonly ClaudeTranslator translator;
    private readonly StallWatch stall;
    private CredentialBroker? broker;
    private ClaudeProcess? process;
    private ClaudeTurn? turn;
    private string conversation;
    private bool resumable;
    private string? lostConversation;

    public ClaudeDriver(AgentServices services)
    {
        this.services = services;
        sink = services.Sink;
        clock = services.Clock;
        log = services.Log;
        permissions = new OpenRequests(sink);
        translator = new ClaudeTranslator(sink);
        stall = new StallWatch(clock, TimeSpan.FromSeconds(services.Config.StallSeconds));
        var wanted = services.Setup.Current.Conversation is { Length: > 0 } given
            ? given
            : services.Journal.Record.Conversation;
        resumable = wanted is not null
            && ClaudeConversations.Adopt(services.Config.HomeDir, services.Config.WorkspaceDir, wanted);
        lostConversation = resumable ? null : wanted;
        conversation = resumable ? wanted! : NewConversation();
    }

    public string? ConversationId => conversation;

    public string? AgentVersion { get; private set; }

    public async Task<RunResult> RunAsync(StartRun run, CancellationToken interrupted)
    {
        try
        {
            await ChooseConversationAsync(run.Conversation).ConfigureAwait(false);
            var (result, again) = await RunOnceAsync(run, interrupted).ConfigureAwait(false);
            for (var tries = 1; again != TurnRetry.No && tries < MaxTries; tries++)
            {
                if (again == TurnRetry.NewConversation)
                {
                    lostConversation = conversation;
                    conversation = NewConversation();
                    resumable = false;
                }

                (result, again) = await RunOnceAsync(run, interrupted).ConfigureAwait(false);
            }

            return result;
        }
        catch (AgentStartException exception)
        {
            return RunResult.Failed(exception.Code, exception.Message);
        }
    }

    public async Task StopAsync()
    {
        if (process is { } running)
            await running.StopAsync(StopPatience).ConfigureAwait(false);
    }

    public void Kill() => process?.Kill();

    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        if (broker is not null)
            await broker.DisposeAsync().ConfigureAwait(false);
    }

    private static string NewConversation() => Guid.NewGuid().ToString();

    private static string DenialOf(AnswerPermission answer) =>
        answer.Reason.Length > 0 ? answer.Reason : "This tool call was denied.";

    private async Task<(RunResult Result, TurnRetry Again)> RunOnceAsync(StartRun run, CancellationToken interrupted)
    {
        var current = new ClaudeTurn(run);
        try
        {
            turn = current;
            translator.Reset();
            stall.Touch();
            var running = await EnsureProcessAsync(current).ConfigureAwait(false);
            interrupted.ThrowIfCancellationRequested();
            await running.WriteAsync(Prompt(current, running)).ConfigureAwait(false);
            if (!await WaitAsync(current, running, interrupted).ConfigureAwait(false))
                await ForceEndAsync(current, running).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return (new RunResult { Outcome = Outcomes.Interrupted }, TurnRetry.No);
        }
        catch (IOException) when (current.Process is { } broken)
        {
            await broken.Ended.ConfigureAwait(false); // it died while it was being told; its end says why
            current.Complete(RunResult.Failed(ErrorCodes.AgentExited, "Claude Code ended while it was given the task."));
        }
        finally
        {
            turn = null;
        }

        var result = await current.Completion.ConfigureAwait(false);
        return (result, current.Again);
    }

    private byte[] Prompt(ClaudeTurn current, ClaudeProcess running)
    {
        var run = current.Run;
        var knowsPart = run.Continuation && (running.Launch.Resumed || running.Turns > 0);
        running.Turns++;
        var files = AttachmentStore.Store(services.Config.WorkspaceDir, run.Run, run.Attachments);
        return ClaudeMessages.User(current.PromptId, ClaudePrompt.Blocks(run.Prompt, files, knowsPart ? Continuation.Note : null));
    }

    // The process of another conversation is of no use: the run starts one of its own.
    private async Task ChooseConversationAsync(string wanted)
    {
        if (wanted.Length == 0 || wanted == conversation)
            return;
        await StopAsync().ConfigureAwait(false);
        var known = wanted != NewName
            && ClaudeConversations.Adopt(services.Config.HomeDir, services.Config.WorkspaceDir, wanted);
        if (!known && wanted != NewName)
            lostConversation = wanted;
        conversation = known ? wanted : NewConversation();
        resumable = known;
    }

    private async Task<ClaudeProcess> EnsureProcessAsync(ClaudeTurn current)
    {
        var setup = services.Setup.Current;
        if (process is { } running)
        {
            if (running.Launch.Shape == ClaudeLaunch.ShapeOf(setup) && !running.Ended.IsCompleted
                && await TellSettingsAsync(running, setup.Model, ClaudeLaunch.ModeOf(setup)).ConfigureAwait(false) is null)
            {
                current.Process = running;
                return running;
            }

            await running.StopAsync(StopPatience).ConfigureAwait(false);
        }

        if (lostConversation is { } lost)
        {
            sink.System(current.Id, LogSeverity.Warn, $"Conversation {lost} is not in this home: a new one begins.");
            lostConversation = null;
        }

        var launch = new ClaudeLaunch
        {
            Conversation = conversation,
            Resumed = resumable
                || ClaudeConversations.Adopt(services.Config.HomeDir, services.Config.WorkspaceDir, conversation),
            Shape = ClaudeLaunch.ShapeOf(setup),
            Model = setup.Model,
            Mode = ClaudeLaunch.ModeOf(setup),
            Options = ClaudeOptions.Read(setup.Options.Memory),
        };
        translator.Phase(current.Id, "starting");
        sink.Commit();
        return await StartAsync(current, launch, setup).ConfigureAwait(false);
    }

    private async Task<ClaudeProcess> StartAsync(ClaudeTurn current, ClaudeLaunch launch, Setup setup)
    {
        var config = services.Config;
        var binary = ClaudeLaunch.FindBinary(config, services.Environment);
        if (setup.ApiKey.Length > 0)
        {
            broker ??= CredentialBroker.Start(services.Setup, clock, log);
            sink.Hide(broker.Token);
        }

        ChildProcess child;
        try
        {
            var spec = launch.ToSpec(binary, config, setup, services.Environment, setup.ApiKey.Length > 0 ? broker : null);
            Directory.CreateDirectory(config.WorkspaceDir);
            Directory.CreateDirectory(config.HomeDir);
            child = await ChildProcess.StartAsync(spec).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new AgentStartException(ErrorCodes.WorkspaceUnavailable, exception.Message);
        }

        services.Journal.Child(child.Pid, ProcessTree.StartTime(child.Pid) ?? 0);
        services.Journal.Conversation(launch.Conversation);
        log.ChildStarted(child.Pid, binary);
        var started = new ClaudeProcess(child, launch, clock, this);
        process = current.Process = started;
        started.Begin();
        await started.WriteAsync(ClaudeMessages.Initialize("init")).ConfigureAwait(false);
        return started;
    }

    // False: the run must be ended by force, because of an interrupt or of silence.
    private async Task<bool> WaitAsync(ClaudeTurn current, ClaudeProcess running, CancellationToken interrupted)
    {
        while (!current.Completion.IsCompleted)
        {
            using var tick = CancellationTokenSource.CreateLinkedTokenSource(interrupted);
            await Task.WhenAny(current.Completion, Task.Delay(stall.Tick, clock, tick.Token)).ConfigureAwait(false);
            await tick.CancelAsync().ConfigureAwait(false);
            if (current.Completion.IsCompleted)
                break;
            if (interrupted.IsCancellationRequested)
                return false;
            if (permissions.Count > 0 || running.IsHeld)
                stall.Touch();
            if (!stall.IsStalled(current.OpenTools > 0, broker?.LastActivity))
                continue;
            current.Verdict = RunResult.Failed(
                ErrorCodes.AgentStalled, $"Nothing from Claude Code or the model for {stall.Silence(broker?.LastActivity).TotalSeconds:F0} s.");
            return false;
        }

        return true;
    }

    private async Task ForceEndAsync(ClaudeTurn current, ClaudeProcess running)
    {
        foreach (var unread in current.Mail.Unread)
            _ = TellAsync(running, ClaudeMessages.TakeBack("take-back-" + unread, unread));
        _ = TellAsync(running, ClaudeMessages.Interrupt("interrupt-" + Guid.NewGuid().ToString("N")));
        if (await CompletesAsync(current, InterruptPatience).ConfigureAwait(false))
            return;
        running.Terminate();
        if (await CompletesAsync(current, InterruptPatience).ConfigureAwait(false))
            return;
        running.Kill();
        await current.Completion.ConfigureAwait(false);
    }

    private async Task<bool> CompletesAsync(ClaudeTurn current, TimeSpan patience)
    {
        try
        {
            await current.Completion.WaitAsync(patience, clock).ConfigureAwait(false);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    // For answers that nobody waits for: when the process is gone, its end is seen elsewhere.
    private static async Task TellAsync(ClaudeProcess process, byte[] line)
    {
        try
        {
            await process.WriteAsync(line).ConfigureAwait(false);
        }
        catch (IOException)
        {
        }
    }
}

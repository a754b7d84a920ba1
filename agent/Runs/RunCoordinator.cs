using System.Text;
using System.Threading.Channels;
using Marionette.Agent.Agents;
using Marionette.Agent.Events;
using Marionette.Agent.Hosting;
using Marionette.Agent.Workspaces;
using Marionette.Protocol.V1;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Runs;

/// <summary>
/// Executes commands in their order. Runs come one after another; answers and interrupts reach the one under way. It alone emits
/// <c>run.started</c> and <c>run.finished</c>, and each started run gets exactly one end.
/// </summary>
internal sealed class RunCoordinator(
    ChannelReader<Command> commands,
    Func<IAgentDriver> createDriver,
    SetupHolder setup,
    string workspace,
    RunJournal journal,
    FolderOpening opening,
    CheckpointKeeper keeper,
    EventSink sink,
    TimeProvider clock,
    ILogger log)
{
    private readonly Queue<StartRun> waiting = new();
    private IAgentDriver? driver;
    private ActiveRun? active;
    private Task<bool>? ready;
    private bool opened;
    private string? closed;
    private bool told;

    /// <summary>Works until Stop.</summary>
    /// <returns>The reason that Stop gave.</returns>
    public async Task<string> RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var command = await NextAsync(cancellationToken).ConfigureAwait(false);
            if (command is null)
                continue;
            if (command.KindCase == Command.KindOneofCase.Stop)
                return await StopAsync(command.Stop.Reason).ConfigureAwait(false);
            try
            {
                await ExecuteAsync(command).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is IOException or InvalidOperationException or ObjectDisposedException)
            {
                log.CommandFailed(command.KindCase.ToString(), exception.Message);
            }
        }
    }

    /// <summary>Ends the child at once; for when the runner was fenced or the agent must go.</summary>
    public void Kill() => driver?.Kill();

    // Waits for a command or for the end of the run, whichever comes first.
    private async Task<Command?> NextAsync(CancellationToken cancellationToken)
    {
        ready ??= commands.WaitToReadAsync(cancellationToken).AsTask();
        if (!opened)
        {
            await Task.WhenAny(ready, opening.Ready).ConfigureAwait(false);
            if (opening.Ready.IsCompleted)
            {
                closed = await opening.Ready.ConfigureAwait(false);
                opened = true;
                StartNext();
                return null;
            }
        }

        if (active is not null)
        {
            await Task.WhenAny(ready, active.Execution).ConfigureAwait(false);
            if (active.Execution.IsCompleted)
            {
                await FinishAsync().ConfigureAwait(false);
                return null;
            }
        }

        await ready.ConfigureAwait(false);
        ready = null;
        return commands.TryRead(out var command) ? command : null;
    }

    private async Task ExecuteAsync(Command command)
    {
        switch (command.KindCase)
        {
            case Command.KindOneofCase.StartRun:
                Start(command.StartRun);
                break;
            case Command.KindOneofCase.AnswerPermission:
                if (driver is null || !await driver.AnswerAsync(command.AnswerPermission).ConfigureAwait(false))
                    log.CommandIgnored("answer", "no such request is open");
                break;
            case Command.KindOneofCase.Interrupt:
                Interrupt(command.Interrupt);
                break;
            case Command.KindOneofCase.SendMessage:
                await SendAsync(command.SendMessage).ConfigureAwait(false);
                break;
            case Command.KindOneofCase.Configure:
                await ConfigureAsync(command.Configure).ConfigureAwait(false);
                break;
            case Command.KindOneofCase.Pause:
                await SettleAsync(command.Pause.Reason).ConfigureAwait(false);
                break;
            default:
                log.CommandIgnored("command", "its kind is unknown to this version");
                break;
        }
    }

    private void Start(StartRun run)
    {
        if (journal.HasEnded(run.Run) || active?.Run.Run == run.Run || waiting.Any(other => other.Run == run.Run))
        {
            log.CommandIgnored("start", "the run is known");
            return;
        }

        if (closed is not null && told)
        {
            // What was damaged, missing or away may have been mended since an earlier run was told: this one finds out.
            (opened, closed, told) = (false, null, false);
            opening.BeginAgain();
        }

        if (active is not null || !opened)
        {
            waiting.Enqueue(run);
            return;
        }

        var id = Encoding.UTF8.GetBytes(run.Run);
        if (closed is not null)
        {
            EndUnstarted(run.Run, RunResult.Failed(ErrorCodes.WorkspaceUnavailable, closed));
            told = true;
            return;
        }

        try
        {
            driver ??= createDriver();
        }
        catch (AgentStartException exception)
        {
            EndUnstarted(run.Run, RunResult.Failed(exception.Code, exception.Message));
            return;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            EndUnstarted(run.Run, RunResult.Failed(ErrorCodes.WorkspaceUnavailable, exception.Message));
            return;
        }

        active = new ActiveRun(run, id, clock.GetTimestamp());
        journal.Started(run.Run, clock.GetUtcNow().ToUnixTimeMilliseconds());
        log.RunStarted(run.Run, setup.Current.Agent);
        // A new conversation has its id from the agent, later; the end of the run tells it.
        var conversation = run.Conversation switch { "" => driver.ConversationId, "new" => null, var named => named };
        sink.Emit("run.started"u8, id, (driver.AgentVersion, conversation), static (json, start) =>
        {
            json.Optional("conversation_id"u8, start.conversation);
            json.Optional("agent_version"u8, start.AgentVersion);
        });
        sink.Commit();
        keeper.RunStarted(run.Run);
        active.Execution = ExecuteAsync(driver, active);
    }

    private void StartNext()
    {
        while (active is null && opened && waiting.TryDequeue(out var next))
            Start(next);
    }

    private void EndUnstarted(string run, RunResult result)
    {
        RunEvents.Finished(sink, Encoding.UTF8.GetBytes(run), result, TimeSpan.Zero, driver?.ConversationId);
        sink.Commit();
        journal.Ended(run, null);
    }

    private async Task<RunResult> ExecuteAsync(IAgentDriver driver, ActiveRun run)
    {
        try
        {
            return await Task.Run(() => ExecuteInWorkspaceAsync(driver, run)).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            // A fault of ours must not leave a task without an end.
            return RunResult.Failed(ErrorCodes.Internal, $"{exception.GetType().Name}: {exception.Message}");
        }
    }

    private async Task<RunResult> ExecuteInWorkspaceAsync(IAgentDriver driver, ActiveRun run)
    {
        var before = WorkspaceLook.Take(workspace, clock);
        var result = await OutputCheck.RunAsync(driver, run.Run, run.Stop.Token).ConfigureAwait(false);
        return result.Changes is not null ? result : result with { Changes = before.ChangesUntil(WorkspaceLook.Take(workspace, clock)) };
    }

    private void Interrupt(Interrupt interrupt)
    {
        if (active?.Run.Run == interrupt.Run)
        {
            active.Interrupt(OutcomeOf(interrupt.Outcome));
            return;
        }

        // Not begun yet: it ends without having run.
        var others = waiting.Where(run => run.Run != interrupt.Run).ToList();
        if (others.Count == waiting.Count)
        {
            log.CommandIgnored("interrupt", "the run is not under way");
            return;
        }

        waiting.Clear();
        others.ForEach(waiting.Enqueue);
        EndUnstarted(interrupt.Run, new RunResult { Outcome = OutcomeOf(interrupt.Outcome) });
    }

    private async Task SendAsync(SendMessage message)
    {
        var refusal = driver is null || active?.Run.Run != message.Run
            ? "The run is not under way."
            : await driver.SendAsync(message).ConfigureAwait(false);
        var run = Encoding.UTF8.GetBytes(message.Run);
        if (refusal is null)
            sink.Emit("message.received"u8, run, message.Message, static (json, id) => json.WriteString("message_id"u8, id));
        else
            sink.Emit("message.refused"u8, run, (message.Message, refusal), static (json, answer) =>
            {
                json.WriteString("message_id"u8, answer.Message);
                json.WriteString("reason"u8, answer.refusal);
            });
        sink.Commit();
    }

    private async Task ConfigureAsync(Configure change)
    {
        var before = setup.Current;
        var after = before.Clone();
        after.Model = change.Model;
        after.PermissionMode = change.PermissionMode;
        setup.Set(after);
        var refusal = driver is null ? null : await driver.ConfigureAsync(change).ConfigureAwait(false);
        if (refusal is not null)
            setup.Set(before);
        sink.Emit(refusal is null ? "configure.applied"u8 : "configure.refused"u8, default, (change, refusal), static (json, answer) =>
        {
            json.WriteString("model"u8, answer.change.Model);
            json.WriteString("permission_mode"u8, answer.change.PermissionMode);
            json.Optional("reason"u8, answer.refusal);
        });
        sink.Commit();
    }

    // "suspended" is a reason of the session's; for the run it means that it was cut off and another follows.
    private static string OutcomeOf(string outcome) => outcome switch
    {
        Outcomes.Canceled or Outcomes.TimedOut => outcome,
        _ => Outcomes.Interrupted,
    };

    private async Task FinishAsync()
    {
        var run = active!;
        var result = await run.Execution.ConfigureAwait(false);
        if (run.InterruptOutcome is { } outcome)
            result = result with { Outcome = outcome, ErrorCode = null, ErrorMessage = null };
        var elapsed = clock.GetElapsedTime(run.StartedAt);
        RunEvents.Finished(sink, run.Id, result, elapsed, driver?.ConversationId);
        sink.Commit();
        journal.Ended(run.Run.Run, driver?.ConversationId);
        log.RunFinished(run.Run.Run, result.Outcome, result.ErrorCode ?? "", (long)elapsed.TotalMilliseconds);
        run.Dispose();
        active = null;
        keeper.RunEnded();
        StartNext();
    }

    // The agent's processes stay: they are stopped where they are in a moment, and go on when the session does. What they write until then is in no
    // checkpoint, as it is while no run is under way.
    private async Task SettleAsync(string reason)
    {
        await EndRunsAsync().ConfigureAwait(false);
        if (!opened)
        {
            // A restore or a clone that stands still for an hour has lost its connections: it is told to go in place of that.
            log.CommandIgnored("pause", "the folders are not open yet");
            return;
        }

        await keeper.SettleAsync().ConfigureAwait(false);
        sink.Emit("runner.settled"u8, default, reason, static (json, why) => json.WriteString("reason"u8, why));
        sink.Commit();
    }

    private async Task EndRunsAsync()
    {
        waiting.Clear();
        if (active is null)
            return;
        active.Interrupt(Outcomes.Interrupted);
        await active.Execution.ConfigureAwait(false);
        await FinishAsync().ConfigureAwait(false);
    }

    private async Task<string> StopAsync(string reason)
    {
        await EndRunsAsync().ConfigureAwait(false);
        if (driver is not null)
            await driver.DisposeAsync().ConfigureAwait(false);
        // Nothing of the agent runs any more: this is what the next runner goes on from.
        await keeper.FinishAsync().ConfigureAwait(false);
        var conversation = driver?.ConversationId ?? journal.Record.Conversation;
        sink.Emit("runner.stopped"u8, default, (reason, conversation), static (json, end) =>
        {
            json.WriteString("reason"u8, end.reason);
            json.Optional("conversation_id"u8, end.conversation);
        });
        sink.Commit();
        return reason;
    }

    /// <summary>
    /// The last agent process may have ended in the middle of a run: its child is gone or must go, and the run needs an end.
    /// </summary>
    public void Recover()
    {
        var last = journal.Record;
        if (last.Pid > 0)
        {
            var below = Processes.ProcessTree.Below(last.Pid);
            if (Processes.ProcessTree.KillIfSame(last.Pid, last.PidStart))
            {
                log.LeftoverKilled(last.Pid);
                foreach (var (pid, start) in below)
                    Processes.ProcessTree.KillIfSame(pid, start);
            }

            journal.Child(0, 0);
        }

        if (last.Run is not { } run)
            return;
        log.RunRecovered(run);
        var elapsed = clock.GetUtcNow() - DateTimeOffset.FromUnixTimeMilliseconds(last.StartedMs);
        var result = new RunResult
        {
            Outcome = Outcomes.Interrupted,
            ErrorCode = ErrorCodes.Internal,
            ErrorMessage = "The runner's agent process was restarted while the run was under way.",
        };
        var duration = elapsed < TimeSpan.Zero ? TimeSpan.Zero : elapsed;
        RunEvents.Finished(sink, Encoding.UTF8.GetBytes(run), result, duration, last.Conversation);
        sink.Commit();
        journal.Ended(run, null);
    }
}

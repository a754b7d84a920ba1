using Marionette.Agent.Broker;
using Marionette.Agent.Events;
using Marionette.Agent.Hosting;
using Marionette.Agent.Processes;

namespace Marionette.Agent.Agents.Rpc;

/// <summary>What it takes to start an agent.</summary>
/// <param name="Spec">Program, arguments, environment.</param>
/// <param name="Shape">Identity of everything in it that may change with the setup.</param>
internal sealed record RpcLaunch(ChildSpec Spec, string Shape);

/// <content>The process and its conversation.</content>
internal abstract partial class RpcDriver
{
    private const int MaxRefusals = 2;

    private async Task<RpcProcess> EnsureProcessAsync(RpcTurn current)
    {
        var setup = Services.Setup.Current;
        if (setup.ApiKey.Length > 0)
        {
            broker ??= CredentialBroker.Start(Services.Setup, Services.Clock, Services.Log, DefaultUpstream);
            Sink.Hide(broker.Token);
            broker.ForgetRefusals();
        }

        var launch = Prepare(setup, setup.ApiKey.Length > 0 ? broker : null);
        if (process is { } kept)
        {
            if (kept.Shape == launch.Shape && !kept.Ended.IsCompleted)
                return current.Process = kept;
            await kept.StopAsync(StopPatience).ConfigureAwait(false);
        }

        Events.Phase(current.Id, "starting");
        Sink.Commit();
        var started = await StartAsync(launch).ConfigureAwait(false);
        current.Process = started;
        started.Begin();
        await InitializeAsync(started, setup).ConfigureAwait(false);
        return started;
    }

    private async Task<RpcProcess> StartAsync(RpcLaunch launch)
    {
        ChildProcess child;
        try
        {
            Directory.CreateDirectory(Services.Config.WorkspaceDir);
            Directory.CreateDirectory(Services.Config.HomeDir);
            child = await ChildProcess.StartAsync(launch.Spec).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new AgentStartException(ErrorCodes.WorkspaceUnavailable, exception.Message);
        }

        Services.Journal.Child(child.Pid, ProcessTree.StartTime(child.Pid) ?? 0);
        Services.Log.ChildStarted(child.Pid, launch.Spec.File);
        return process = new RpcProcess(child, launch.Shape, Services.Clock, this, this);
    }

    // True: the conversation is an earlier one.
    private async Task<bool> EnsureConversationAsync(RpcProcess running, RpcTurn current)
    {
        var wanted = current.Run.Conversation switch
        {
            "" => ConversationId,
            "new" => null,
            var named => named,
        };
        if (wanted is not null && running.Conversation == wanted)
        {
            ConversationId = wanted;
            return false;
        }

        var opened = await OpenAsync(running, current, wanted).ConfigureAwait(false);
        if (opened is null)
        {
            Sink.System(current.Id, LogSeverity.Warn, $"Conversation {wanted} is not in this home: a new one begins.");
            opened = await OpenAsync(running, current, null).ConfigureAwait(false)
                ?? throw new AgentStartException(ErrorCodes.AgentProtocol, $"{Name} opened no conversation.");
        }

        var resumed = opened == wanted;
        running.Conversation = ConversationId = opened;
        Services.Journal.Conversation(opened);
        return resumed;
    }

    // False: the run must be ended by force, because of an interrupt or of silence.
    private async Task<bool> WaitAsync(RpcTurn current, CancellationToken interrupted)
    {
        while (!current.Completion.IsCompleted)
        {
            using var tick = CancellationTokenSource.CreateLinkedTokenSource(interrupted);
            await Task.WhenAny(current.Completion, Task.Delay(stall.Tick, Services.Clock, tick.Token)).ConfigureAwait(false);
            await tick.CancelAsync().ConfigureAwait(false);
            if (current.Completion.IsCompleted)
                break;
            if (interrupted.IsCancellationRequested)
                return false;
            if (broker is { Refusals: >= MaxRefusals })
            {
                // Agents ask many times more with a key that is refused, some of them without a word.
                current.Verdict = RunResult.Failed(ErrorCodes.AuthenticationFailed, "The model refused the credential.");
                return false;
            }

            if (asks.Count > 0 || current.Process is { IsHeld: true })
                stall.Touch();
            if (!stall.IsStalled(current.HasOpenTools, broker?.LastActivity))
                continue;
            current.Verdict = RunResult.Failed(
                ErrorCodes.AgentStalled, $"Nothing from {Name} or the model for {stall.Silence(broker?.LastActivity).TotalSeconds:F0} s.");
            return false;
        }

        return true;
    }

    private async Task ForceEndAsync(RpcTurn current)
    {
        current.InterruptWanted = true;
        _ = AskToEndAsync(current);
        if (await CompletesAsync(current, InterruptPatience).ConfigureAwait(false))
            return;
        current.Process?.Terminate();
        if (await CompletesAsync(current, InterruptPatience).ConfigureAwait(false))
            return;
        current.Process?.Kill();
        await current.Completion.ConfigureAwait(false);
    }

    private async Task AskToEndAsync(RpcTurn current)
    {
        try
        {
            if (current.Process is { } running)
                await InterruptAsync(running, current).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is RpcException or IOException)
        {
            // It is gone or does not want to: it will be forced.
        }
    }

    private async Task<bool> CompletesAsync(RpcTurn current, TimeSpan patience)
    {
        try
        {
            await current.Completion.WaitAsync(patience, Services.Clock).ConfigureAwait(false);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }
}

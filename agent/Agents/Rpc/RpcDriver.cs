using Marionette.Agent.Agents.Permissions;
using Marionette.Agent.Broker;
using Marionette.Agent.Events;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents.Rpc;

/// <summary>
/// What is the same for every agent that speaks JSON-RPC over its standard input and output: one process for the runner, started
/// at the first run and kept, started again with its conversation when it died; the run's wait, its end, and its questions.
/// An adapter says how to start the agent, how to open a conversation, and what its messages mean.
/// </summary>
internal abstract partial class RpcDriver : IAgentDriver, ILineListener, IRpcHandler
{
    private static readonly TimeSpan InterruptPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(2);

    private readonly OpenAsks asks;
    private readonly StallWatch stall;
    private readonly SemaphoreSlim configuring = new(1, 1);
    private RpcProcess? process;
    private RpcTurn? turn;
    private CredentialBroker? broker;

    protected RpcDriver(AgentServices services)
    {
        Services = services;
        Sink = services.Sink;
        Events = new AgentEvents(services.Sink);
        asks = new OpenAsks(services.Sink);
        stall = new StallWatch(services.Clock, TimeSpan.FromSeconds(services.Config.StallSeconds));
        ConversationId = services.Setup.Current.Conversation is { Length: > 0 } given ? given : services.Journal.Record.Conversation;
    }

    public string? ConversationId { get; private set; }

    public string? AgentVersion { get; protected set; }

    protected AgentServices Services { get; }

    protected EventSink Sink { get; }

    protected AgentEvents Events { get; }

    protected RpcTurn? Turn => turn;

    /// <summary>Stands before the model while the session has a key; null while it has none.</summary>
    protected CredentialBroker? Broker => Services.Setup.Current.ApiKey.Length > 0 ? broker : null;

    /// <summary>The agent's name for people.</summary>
    protected abstract string Name { get; }

    /// <summary>Where the broker sends requests when the session names no base URL.</summary>
    protected abstract string DefaultUpstream { get; }

    public async Task<RunResult> RunAsync(StartRun run, CancellationToken interrupted)
    {
        var current = new RpcTurn(run);
        try
        {
            for (var last = false; ; last = true)
            {
                turn = current;
                stall.Touch();
                var working = WorkAsync(current);
                if (!await WaitAsync(current, interrupted).ConfigureAwait(false))
                    await ForceEndAsync(current).ConfigureAwait(false);
                await working.ConfigureAwait(false);
                var result = await current.Completion.ConfigureAwait(false);
                if (!current.Again || last || interrupted.IsCancellationRequested)
                    return result;
                current = new RpcTurn(run); // the kept process had died: the prompt went into a pipe that nobody read
            }
        }
        finally
        {
            turn = null;
        }
    }

    public async Task<bool> AnswerAsync(AnswerPermission answer)
    {
        if (asks.Take(answer.Request) is not { } ask)
            return false;
        if (answer.Allow && !answer.UpdatedInput.IsEmpty && !(ask.TakesInput && AskInput.IsObject(answer.UpdatedInput.Memory)))
        {
            // Running the tool as it was asked would be what nobody allowed.
            var note = ask.TakesInput
                ? "The changed input is not a JSON object, so the request was denied."
                : $"{Name} cannot run a tool with changed input, so the call was denied.";
            Sink.System(ask.Run, LogSeverity.Warn, note);
            answer = new AnswerPermission { Request = answer.Request, Allow = false, Reason = note };
        }

        if (answer is { Allow: false, Interrupt: true } && turn is { } current)
            current.DeniedWithInterrupt = true;
        stall.Touch();
        if (await ReplyAsync(ask, answer).ConfigureAwait(false))
            asks.Received(ask, answer.Request);
        else
            asks.Lost(ask, answer.Request);
        return true;
    }

    public async Task<string?> SendAsync(SendMessage message)
    {
        if (turn is not { Completion.IsCompleted: false } current || current.Process is not { } running)
            return "The run is not under way.";
        try
        {
            return await SendAsync(running, current, message).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is RpcException or IOException)
        {
            return $"{Name} did not take the message: {exception.Message}";
        }
    }

    public async Task<string?> ConfigureAsync(Configure change)
    {
        await configuring.WaitAsync().ConfigureAwait(false);
        try
        {
            return await ConfigureAsync(process, change).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is RpcException or IOException)
        {
            return $"{Name} did not take the change: {exception.Message}";
        }
        finally
        {
            configuring.Release();
        }
    }

    public virtual async Task StopAsync()
    {
        if (process is { } running)
            await running.StopAsync(StopPatience).ConfigureAwait(false);
    }

    public virtual void Kill() => process?.Kill();

    public virtual async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        if (broker is not null)
            await broker.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>How to start the agent.</summary>
    /// <param name="broker">Stands before the model when the session has a key; null when it has none.</param>
    /// <exception cref="AgentStartException">It cannot be started.</exception>
    protected abstract RpcLaunch Prepare(Setup setup, CredentialBroker? broker);

    /// <summary>The first words with a new process.</summary>
    protected abstract Task InitializeAsync(RpcProcess running, Setup setup);

    /// <summary>Opens a conversation.</summary>
    /// <param name="wanted">The one to resume; null for a new one.</param>
    /// <returns>Its id; null when the agent does not have the wanted one.</returns>
    protected abstract Task<string?> OpenAsync(RpcProcess running, RpcTurn current, string? wanted);

    /// <summary>Gives the agent the prompt. The turn's end comes by messages, or by the answer to what this sends.</summary>
    /// <param name="knowsPart">The conversation holds an earlier part of this task.</param>
    protected abstract Task PromptAsync(RpcProcess running, RpcTurn current, bool knowsPart);

    /// <summary>Asks the agent to end the turn.</summary>
    protected abstract Task InterruptAsync(RpcProcess running, RpcTurn current);

    /// <summary>Passes an answer on.</summary>
    /// <returns>Whether the agent has it.</returns>
    protected abstract Task<bool> ReplyAsync(OpenAsk ask, AnswerPermission answer);

    /// <summary>More for the turn.</summary>
    /// <returns>Null when the agent has it; otherwise why not.</returns>
    protected abstract Task<string?> SendAsync(RpcProcess running, RpcTurn current, SendMessage message);

    /// <summary>Another model or permission mode.</summary>
    /// <param name="running">Null while the agent does not run.</param>
    /// <returns>Null when it holds; otherwise why not.</returns>
    protected abstract Task<string?> ConfigureAsync(RpcProcess? running, Configure change);

    /// <summary>What an error of the agent means, when it answers so to the prompt or to the opening of its conversation.</summary>
    protected abstract RunResult Explain(RpcException exception);

    /// <summary>Passes a question on.</summary>
    protected void Ask(RpcPeer peer, string id, string requestId, PermissionAsk ask, object? detail = null)
    {
        if (turn is { } current)
            asks.Ask(new OpenAsk(current.Id, peer, id, ask.TakesInput, detail), requestId, ask);
    }

    /// <summary>The agent does not wait for this answer any more.</summary>
    protected void Withdraw(RpcPeer peer, string id) => asks.Withdraw(peer, id, "the agent does not ask any more");

    /// <summary>Takes every question back and gives the requests behind them, for agents that want each answered.</summary>
    protected IReadOnlyList<OpenAsk> TakeAll(string reason) => asks.WithdrawAll(reason);

    /// <summary>The turn has ended.</summary>
    protected void Complete(RpcTurn current, RunResult result)
    {
        asks.WithdrawAll("the turn ended");
        if (current.Verdict is { } verdict)
            result = verdict;
        else if (current.DeniedWithInterrupt) // also when the agent, told no, ended its turn in order before it was told to stop
            result = new RunResult { Outcome = Outcomes.Canceled, Cost = result.Cost };
        if (result is { RetryAt: null, ErrorCode: ErrorCodes.RateLimited or ErrorCodes.Overloaded or ErrorCodes.UsageLimit })
            result = result with { RetryAt = broker?.RetryAt };
        Events.Phase(current.Id, "idle");
        Sink.Commit();
        current.Complete(result with { Usage = current.Usage, Turns = current.Answers });
    }

    private async Task WorkAsync(RpcTurn current)
    {
        try
        {
            var running = await EnsureProcessAsync(current).ConfigureAwait(false);
            var resumed = await EnsureConversationAsync(running, current).ConfigureAwait(false);
            if (current.InterruptWanted)
            {
                current.Complete(new RunResult { Outcome = Outcomes.Interrupted });
                return;
            }

            var knowsPart = current.Run.Continuation && (resumed || running.Turns > 0);
            running.Turns++;
            current.Heard = false;
            await PromptAsync(running, current, knowsPart).ConfigureAwait(false);
        }
        catch (AgentStartException exception)
        {
            current.Complete(RunResult.Failed(exception.Code, exception.Message));
        }
        catch (RpcException exception)
        {
            Complete(current, Explain(exception));
        }
        catch (IOException) when (current.Process is { } broken)
        {
            await broken.Ended.ConfigureAwait(false); // it died while it was being told; its end says why
            current.Complete(RunResult.Failed(ErrorCodes.AgentExited, $"{Name} ended while it was given the task."));
        }
        catch (Exception exception)
        {
            // A fault of ours must not leave the run without an end.
            current.Complete(RunResult.Failed(ErrorCodes.Internal, $"{exception.GetType().Name}: {exception.Message}"));
        }
    }
}

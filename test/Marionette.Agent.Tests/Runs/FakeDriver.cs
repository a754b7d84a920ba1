using System.Collections.Concurrent;
using Marionette.Agent.Agents;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Tests.Runs;

/// <summary>A driver whose runs end when a test says so.</summary>
internal sealed class FakeDriver : IAgentDriver
{
    private readonly ConcurrentDictionary<string, Run> runs = new();
    private readonly ConcurrentQueue<string> started = new();

    public string? ConversationId => "conversation-1";

    public string? AgentVersion => null;

    public bool Disposed { get; private set; }

    public IReadOnlyCollection<string> Started => started;

    public Task StartedAsync(string run) => Of(run).Started.Task.WaitAsync(TimeSpan.FromSeconds(20));

    public Task InterruptedAsync(string run) => Of(run).Interrupted.Task.WaitAsync(TimeSpan.FromSeconds(20));

    public void Finish(string run, RunResult? result = null) =>
        Of(run).Result.SetResult(result ?? new RunResult { Outcome = Outcomes.Completed });

    public void Fail(string run, Exception exception) => Of(run).Result.SetException(exception);

    public async Task<RunResult> RunAsync(StartRun run, CancellationToken interrupted)
    {
        var state = Of(run.Run);
        started.Enqueue(run.Run);
        state.Started.SetResult();
        await using var registration = interrupted.Register(() => state.Interrupted.TrySetResult());
        return await state.Result.Task;
    }

    public Task<bool> AnswerAsync(AnswerPermission answer) => Task.FromResult(false);

    /// <summary>What it answers to messages and changes; null = takes them.</summary>
    public string? Refusal { get; set; }

    public Task<string?> SendAsync(SendMessage message) => Task.FromResult(Refusal);

    public Task<string?> ConfigureAsync(Configure change) => Task.FromResult(Refusal);

    public Task StopAsync() => Task.CompletedTask;

    public void Kill()
    {
    }

    public ValueTask DisposeAsync()
    {
        Disposed = true;
        return ValueTask.CompletedTask;
    }

    private Run Of(string run) => runs.GetOrAdd(run, _ => new Run());

    private sealed class Run
    {
        public TaskCompletionSource Started { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Interrupted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource<RunResult> Result { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

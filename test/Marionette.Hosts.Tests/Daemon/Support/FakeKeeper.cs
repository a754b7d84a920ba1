using System.Collections.Concurrent;
using System.Threading.Channels;
using Marionette.Agent.Hosts;
using Marionette.Protocol.Hosts.V1;

namespace Marionette.Hosts.Tests.Daemon.Support;

/// <summary>Runners in memory. It notes each call, and can be made to wait or to fail.</summary>
internal sealed class FakeKeeper : IRunnerKeeper
{
    private readonly Channel<HostMessage> notices = Channel.CreateUnbounded<HostMessage>();
    private readonly ConcurrentDictionary<string, RunnerReport> runners = new();
    private readonly ConcurrentQueue<string> calls = new();

    /// <summary>"ensure acme/run_1", in the order of their beginning.</summary>
    public IReadOnlyList<string> Calls => [.. calls];

    public IReadOnlyList<SandboxFacts> Sandboxes { get; set; } = [new SandboxFacts { Kind = "bwrap", Works = true, Limits = { "cpu", "memory" } }];

    /// <summary>Called within each call; may wait or throw.</summary>
    public Func<string, CancellationToken, Task> During { get; set; } = (_, _) => Task.CompletedTask;

    public Uri? Gateway { get; private set; }

    public ChannelReader<HostMessage> Notices => notices.Reader;

    public void Happens(HostMessage message) => notices.Writer.TryWrite(message);

    /// <summary>A runner that an earlier process left.</summary>
    public void Has(string runner) => runners[runner] = Report(runner, 1, RunnerState.Running);

    /// <summary>The runner's agent ends, and the keeper tells it.</summary>
    public void Dies(string runner)
    {
        runners[runner] = Report(runner, 1, RunnerState.Exited);
        Happens(new HostMessage { Ended = runners[runner] });
    }

    public Task<IReadOnlyList<SandboxFacts>> CheckAsync(CancellationToken cancellationToken) => Task.FromResult(Sandboxes);

    public Task RecoverAsync(Uri? gateway, CancellationToken cancellationToken) => NoteAsync("recover", cancellationToken);

    public async Task<RunnerReport> EnsureAsync(EnsureRunner order, Uri gateway, Action<StartPhase> progress, CancellationToken cancellationToken)
    {
        Gateway = gateway;
        await NoteAsync($"ensure {order.Runner}", cancellationToken);
        progress(new StartPhase("sandbox", TimeSpan.FromMilliseconds(7)));
        return runners[order.Runner] = Report(order.Runner, order.Epoch, RunnerState.Running);
    }

    public Task<RunnerReport> ObserveAsync(RunnerRef runner, CancellationToken cancellationToken) => DoAsync("observe", runner, null, cancellationToken);

    public Task<RunnerReport> StopAsync(RunnerRef runner, CancellationToken cancellationToken) =>
        DoAsync("stop", runner, RunnerState.Exited, cancellationToken);

    public async Task<RunnerReport> ReleaseAsync(RunnerRef runner, CancellationToken cancellationToken)
    {
        await NoteAsync($"release {runner.Runner}", cancellationToken);
        runners.TryRemove(runner.Runner, out _);
        return Report(runner.Runner, runner.Epoch, RunnerState.Missing);
    }

    public Task<RunnerReport> PauseAsync(RunnerRef runner, CancellationToken cancellationToken) =>
        DoAsync("pause", runner, RunnerState.Paused, cancellationToken);

    public Task<RunnerReport> UnpauseAsync(RunnerRef runner, CancellationToken cancellationToken) =>
        DoAsync("unpause", runner, RunnerState.Running, cancellationToken);

    public Task<RunnerReport> ApplyEgressAsync(ApplyEgress order, CancellationToken cancellationToken) =>
        DoAsync("egress", new RunnerRef { Runner = order.Runner, Epoch = order.Epoch }, null, cancellationToken);

    public async Task<IReadOnlyList<string>> ForgetWorkspacesAsync(IReadOnlyCollection<string> keys, CancellationToken cancellationToken)
    {
        await NoteAsync($"forget {string.Join(' ', keys)}", cancellationToken);
        return [];
    }

    public Task ClearAsync(bool files) => NoteAsync($"clear files: {files}", CancellationToken.None);

    public IReadOnlyList<RunnerReport> List() => [.. runners.Values.OrderBy(runner => runner.Runner, StringComparer.Ordinal)];

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static RunnerReport Report(string runner, long epoch, RunnerState state) => new() { Runner = runner, Epoch = epoch, State = state };

    private async Task<RunnerReport> DoAsync(string what, RunnerRef runner, RunnerState? state, CancellationToken cancellationToken)
    {
        await NoteAsync($"{what} {runner.Runner}", cancellationToken);
        if (!runners.TryGetValue(runner.Runner, out var known))
            return Report(runner.Runner, runner.Epoch, RunnerState.Missing);
        return runners[runner.Runner] = Report(runner.Runner, runner.Epoch, state ?? known.State);
    }

    private Task NoteAsync(string call, CancellationToken cancellationToken)
    {
        calls.Enqueue(call);
        return During(call, cancellationToken);
    }
}

using System.Threading.Channels;
using Marionette.Protocol.Hosts.V1;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Hosts;

/// <summary>The one place where a host's keeper is made.</summary>
internal static class HostKeeper
{
    /// <param name="state">The host's state folder.</param>
    /// <param name="tools">Folders with programs for runners.</param>
    public static IRunnerKeeper Create(string state, IReadOnlyList<string> tools, TimeProvider clock, ILogger log) => new NoSandboxes();

    // No kind of sandbox is built in: no order can be carried out, and the host says so.
    private sealed class NoSandboxes : IRunnerKeeper
    {
        private readonly Channel<HostMessage> notices = System.Threading.Channels.Channel.CreateUnbounded<HostMessage>();

        public ChannelReader<HostMessage> Notices => notices.Reader;

        public Task<IReadOnlyList<SandboxFacts>> CheckAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<SandboxFacts>>([]);

        public Task RecoverAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task<RunnerReport> EnsureAsync(EnsureRunner order, Uri gateway, Action<StartPhase> progress, CancellationToken cancellationToken) =>
            throw Rejected();

        public Task<RunnerReport> ObserveAsync(RunnerRef runner, CancellationToken cancellationToken) => Missing(runner);

        public Task<RunnerReport> StopAsync(RunnerRef runner, CancellationToken cancellationToken) => Missing(runner);

        public Task<RunnerReport> ReleaseAsync(RunnerRef runner, CancellationToken cancellationToken) => Missing(runner);

        public Task<RunnerReport> PauseAsync(RunnerRef runner, CancellationToken cancellationToken) => throw Rejected();

        public Task<RunnerReport> UnpauseAsync(RunnerRef runner, CancellationToken cancellationToken) => throw Rejected();

        public Task<RunnerReport> ApplyEgressAsync(ApplyEgress order, CancellationToken cancellationToken) => throw Rejected();

        public IReadOnlyList<RunnerReport> List() => [];

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private static HostFault Rejected() => new(FaultKind.Rejected, "No sandbox works on this host.");

        private static Task<RunnerReport> Missing(RunnerRef runner) =>
            Task.FromResult(new RunnerReport { Runner = runner.Runner, Epoch = runner.Epoch, State = RunnerState.Missing });
    }
}

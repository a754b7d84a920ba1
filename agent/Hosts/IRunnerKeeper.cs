using System.Threading.Channels;
using Marionette.Protocol.Hosts.V1;

namespace Marionette.Agent.Hosts;

/// <summary>
/// What a host does with runners: the work behind the orders. Every call says what shall be and may be repeated. Calls for one runner come one at a
/// time; calls for different ones at once.
/// </summary>
internal interface IRunnerKeeper : IAsyncDisposable
{
    /// <summary>
    /// What each kind of sandbox gives here. Tested at the first call. What works is remembered until the machine, its boot or its programs change; what
    /// fails or lacks something is tested again at a call some minutes later.
    /// </summary>
    Task<IReadOnlyList<SandboxFacts>> CheckAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Finds the runners that an earlier process of this host left: adopts those that live, and removes what is left of those that do not. Before any
    /// other call but <see cref="CheckAsync"/>.
    /// </summary>
    /// <param name="gateway">Address that the runners are to reach from here on, wherever it was before; null: they keep theirs.</param>
    /// <param name="cancellationToken">Gives up.</param>
    Task RecoverAsync(Uri? gateway, CancellationToken cancellationToken);

    /// <summary>
    /// Makes the runner, or finds it: by key and epoch. One whose agent died is started again in its old place. Its network policy stands before its
    /// first program runs.
    /// </summary>
    /// <param name="order">What to make.</param>
    /// <param name="gateway">Address that its agent is to call.</param>
    /// <param name="progress">Told of each phase ("sandbox", "network", "start") as it ends.</param>
    /// <param name="cancellationToken">Gives up; what was begun is removed.</param>
    /// <exception cref="HostFault">It could not be made; nothing is left behind.</exception>
    Task<RunnerReport> EnsureAsync(EnsureRunner order, Uri gateway, Action<StartPhase> progress, CancellationToken cancellationToken);

    /// <summary>How it is. Missing is a state.</summary>
    Task<RunnerReport> ObserveAsync(RunnerRef runner, CancellationToken cancellationToken);

    /// <summary>Ends its agent, at first by asking; its place stays. Absent is a success.</summary>
    Task<RunnerReport> StopAsync(RunnerRef runner, CancellationToken cancellationToken);

    /// <summary>Ends it and removes what belongs to it alone: processes, mounts, namespaces, files. The workspace stays. Absent is a success.</summary>
    Task<RunnerReport> ReleaseAsync(RunnerRef runner, CancellationToken cancellationToken);

    /// <summary>Stops its processes where they are, memory kept.</summary>
    /// <exception cref="HostFault">Rejected where its sandbox cannot, or there is no such runner.</exception>
    Task<RunnerReport> PauseAsync(RunnerRef runner, CancellationToken cancellationToken);

    /// <summary>Lets a paused runner go on.</summary>
    Task<RunnerReport> UnpauseAsync(RunnerRef runner, CancellationToken cancellationToken);

    /// <summary>Puts other network rules in force at once, connections that they forbid included.</summary>
    /// <exception cref="HostFault">Rejected: there is no such runner.</exception>
    Task<RunnerReport> ApplyEgressAsync(ApplyEgress order, CancellationToken cancellationToken);

    /// <summary>Removes the files of workspaces. Those that a runner has a place on stay, whatever became of it. Absent is a success.</summary>
    /// <param name="keys">"tenant/ws_…" each.</param>
    /// <param name="cancellationToken">Gives up; what was removed is removed.</param>
    /// <returns>Those that stay.</returns>
    /// <exception cref="HostFault">Rejected: one is no such name, and nothing was removed. Unavailable: some may be left.</exception>
    Task<IReadOnlyList<string>> ForgetWorkspacesAsync(IReadOnlyCollection<string> keys, CancellationToken cancellationToken);

    /// <summary>
    /// Ends what runs beside the runners, where there are none: for a host that is to be none any more, or that never was one. Nothing where there are some.
    /// </summary>
    /// <param name="files">Also removes everything of its own in the state folder. Workspaces stay.</param>
    Task ClearAsync(bool files);

    /// <summary>Every runner that has a place here.</summary>
    IReadOnlyList<RunnerReport> List();

    /// <summary>
    /// What happens unasked: a <see cref="RunnerReport"/> of a runner that ended, an <see cref="EgressBlocked"/>, or a <see cref="RunnerThrottled"/>.
    /// Bounded; the oldest of the latter two go first.
    /// </summary>
    ChannelReader<HostMessage> Notices { get; }
}

/// <summary>A phase of a start that has ended (or goes on, where <paramref name="Took"/> is null).</summary>
internal sealed record StartPhase(string Phase, TimeSpan? Took, string Detail = "");

/// <summary>Why an order could not be carried out. The message is for people and holds no secret.</summary>
internal sealed class HostFault(FaultKind kind, string message, Exception? inner = null) : Exception(message, inner)
{
    public FaultKind Kind => kind;
}

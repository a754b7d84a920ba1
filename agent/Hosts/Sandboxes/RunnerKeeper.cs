using System.Collections.Concurrent;
using System.Text.Json;
using System.Threading.Channels;
using Marionette.Agent.Hosting;
using Marionette.Protocol.Hosts.V1;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>Runners of a Linux machine, each in a sandbox of its own. They outlive this process, and the next one finds them by their records.</summary>
internal sealed partial class RunnerKeeper : IRunnerKeeper
{
    private const int KeptNotices = 1024;

    // An agent that was asked to end says good-bye, flushes for 20 s at most, and goes.
    private static readonly TimeSpan GoodbyeLimit = TimeSpan.FromSeconds(25), Look = TimeSpan.FromMilliseconds(200);

    private readonly ConcurrentDictionary<string, Place> places = new(StringComparer.Ordinal);
    private readonly Channel<HostMessage> notices =
        System.Threading.Channels.Channel.CreateBounded<HostMessage>(new BoundedChannelOptions(KeptNotices) { FullMode = BoundedChannelFullMode.DropOldest });

    private readonly Channel<HostMessage> ends = System.Threading.Channels.Channel.CreateUnbounded<HostMessage>();
    private readonly SemaphoreSlim allotting = new(1);
    private readonly CancellationTokenSource life = new();
    private readonly HostFolders folders;
    private readonly CgroupTree cgroups;
    private readonly AgentCopies copies;
    private readonly NetdHost network;
    private readonly SandboxHost host;
    private readonly SandboxCheck check;
    private readonly IReadOnlyList<string> tools;
    private readonly TimeProvider clock;
    private readonly ILogger log;
    private readonly NoticeReader reader;
    private Task watching = Task.CompletedTask;
    private bool recovered;
    private Uri? current;

    private RunnerKeeper(string stateFolder, string agentBinary, IReadOnlyList<string> toolsPath, TimeProvider clock, ILogger log)
    {
        (tools, this.clock, this.log) = (toolsPath, clock, log);
        folders = new HostFolders(stateFolder);
        cgroups = CgroupTree.Find(folders.Name);
        copies = new AgentCopies(folders, agentBinary);
        network = new NetdHost(folders, cgroups, () => copies.Binary, Living, Heard, clock, log);
        host = new SandboxHost(folders, cgroups, copies, network, toolsPath, clock, log);
        check = new SandboxCheck(folders, host, copies, Allot, clock, log);
        reader = new NoticeReader(ends.Reader, notices.Reader);
    }

    public ChannelReader<HostMessage> Notices => reader;

    /// <summary>What runs in place of the agent; null: the agent. For tests of the sandboxes themselves.</summary>
    internal Func<EnsureRunner, string, SandboxProgram?>? InsteadOfAgent { get; init; }

    /// <summary>The one kind of sandbox that is offered; null: each that works. For tests of one kind.</summary>
    internal string? OnlyKind { get; init; }

    /// <summary>The sandboxes, for tests that look behind the reports.</summary>
    internal SandboxHost Host => host;

    internal HostFolders Folders => folders;

    /// <summary>Keeps the runners of a state folder.</summary>
    /// <param name="stateFolder">Everything of this host lies there; it is made where it is missing. One process at a time uses it.</param>
    /// <param name="agentBinary">The agent's program. It is copied: it may be replaced at any time.</param>
    /// <param name="toolsPath">Folders of this machine with programs of agents: shown read-only inside, and before PATH.</param>
    /// <param name="clock">Time.</param>
    /// <param name="log">Log.</param>
    public static RunnerKeeper Create(string stateFolder, string agentBinary, IReadOnlyList<string> toolsPath, TimeProvider clock, ILogger log) =>
        new(stateFolder, agentBinary, toolsPath, clock, log);

    /// <inheritdoc cref="Create(string, string, IReadOnlyList{string}, TimeProvider, ILogger)"/>
    internal static RunnerKeeper Create(string stateFolder, string agentBinary, Func<EnsureRunner, string, SandboxProgram?> program, ILogger log,
        string? only = null) =>
        new(stateFolder, agentBinary, [], TimeProvider.System, log) { InsteadOfAgent = program, OnlyKind = only };

    public async Task<IReadOnlyList<SandboxFacts>> CheckAsync(CancellationToken cancellationToken) =>
        Offered(await check.RunAsync(cancellationToken).ConfigureAwait(false));

    public IReadOnlyList<RunnerReport> List() => [.. places.Values.Select(place => place.Record).OfType<RunnerRecord>().Select(record => record.ToReport())];

    public Task<RunnerReport> ObserveAsync(RunnerRef runner, CancellationToken cancellationToken) =>
        WithAsync(runner, async (place, record) =>
        {
            await LookAtAsync(place, cancellationToken).ConfigureAwait(false);
            return record.ToReport();
        });

    public Task<RunnerReport> StopAsync(RunnerRef runner, CancellationToken cancellationToken) =>
        WithAsync(runner, async (place, record) =>
        {
            await StopAsync(place, record, cancellationToken).ConfigureAwait(false);
            return record.ToReport();
        });

    public Task<RunnerReport> ReleaseAsync(RunnerRef runner, CancellationToken cancellationToken) =>
        WithAsync(runner, async (place, record) =>
        {
            await host.RemoveAsync(record, cancellationToken).ConfigureAwait(false);
            place.Record = null;
            return Missing(runner);
        });

    public Task<RunnerReport> PauseAsync(RunnerRef runner, CancellationToken cancellationToken) => PauseAsync(runner, true, cancellationToken);

    public Task<RunnerReport> UnpauseAsync(RunnerRef runner, CancellationToken cancellationToken) => PauseAsync(runner, false, cancellationToken);

    public Task<RunnerReport> ApplyEgressAsync(ApplyEgress order, CancellationToken cancellationToken) =>
        WithLivingAsync(new RunnerRef { Runner = order.Runner, Epoch = order.Epoch }, async record =>
        {
            var (mode, allowed) = Rules(order.Rules);
            var changed = record with { EgressMode = mode, Allowed = allowed, Gateway = current?.ToString() ?? record.Gateway };
            await network.AskAsync(NetworkRules.Attach(changed, record.Init!.Pid), cancellationToken).ConfigureAwait(false);
            (record.EgressMode, record.Allowed, record.Gateway) = (changed.EgressMode, changed.Allowed, changed.Gateway);
        });

    /// <summary>
    /// Lets go of everything. Runners go on, and the network helper for them; without one, nothing of this host runs any more. Who has not looked for
    /// the runners leaves all of it to who has.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        await life.CancelAsync().ConfigureAwait(false);
        await watching.ConfigureAwait(false);
        if (recovered && !HasRunnerFolders())
        {
            await network.EndAsync().ConfigureAwait(false);
            await cgroups.RemoveEmptyAsync().ConfigureAwait(false);
        }

        await network.DisposeAsync().ConfigureAwait(false);
        ends.Writer.TryComplete();
        notices.Writer.TryComplete();
    }

    private IReadOnlyList<SandboxFacts> Offered(IReadOnlyList<SandboxFacts> facts) =>
        OnlyKind is { } only ? [.. facts.Where(fact => fact.Kind == only)] : facts;

    private static (string Mode, IReadOnlyList<string> Allowed) Rules(EgressRules? rules) =>
        rules is { Mode.Length: > 0 } ? (rules.Mode, [.. rules.Allowed]) : ("deny", []);

    private static RunnerReport Missing(RunnerRef runner) => new() { Runner = runner.Runner, Epoch = runner.Epoch, State = RunnerState.Missing };

    private Task<RunnerReport> PauseAsync(RunnerRef runner, bool paused, CancellationToken cancellationToken) =>
        WithLivingAsync(runner, async record =>
        {
            var wanted = paused ? RunnerState.Paused : RunnerState.Running;
            if (record.State == wanted)
                return;
            await host.PauseAsync(record, paused, cancellationToken).ConfigureAwait(false);
            record.State = wanted;
        });

    private Task<RunnerReport> WithLivingAsync(RunnerRef runner, Func<RunnerRecord, Task> work) => WithAsync(runner, async (place, record) =>
    {
        await LookAtAsync(place, CancellationToken.None).ConfigureAwait(false);
        if (record.HasEnded)
            throw new HostFault(FaultKind.Rejected, "The runner has ended.");
        await work(record).ConfigureAwait(false);
        record.Save(folders.OfRunner(record.Runner));
        return record.ToReport();
    }, mustBe: true);

    // An order for an older epoch is about something that is not here any more; one for a newer epoch is about whatever is left of the older ones.
    private async Task<RunnerReport> WithAsync(RunnerRef runner, Func<Place, RunnerRecord, Task<RunnerReport>> work, bool mustBe = false)
    {
        if (await TakeAsync(runner.Runner, make: false, life.Token).ConfigureAwait(false) is { } place)
        {
            try
            {
                if (place.Record is { } record && record.Epoch <= runner.Epoch)
                    return await work(place, record).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                throw KeeperFaults.Of(exception);
            }
            finally
            {
                Leave(runner.Runner, place);
            }
        }

        return mustBe ? throw new HostFault(FaultKind.Rejected, "There is no such runner on this host.") : Missing(runner);
    }

    private void Heard(NetdSays said)
    {
        if (said is not { Notice: "blocked", Key: { } key } || !places.TryGetValue(key, out var place) || place.Record is not { } record)
            return;
        notices.Writer.TryWrite(new HostMessage
        {
            Blocked = new EgressBlocked
            {
                Runner = key, Epoch = record.Epoch, Target = said.Target ?? "", Port = said.Port, Protocol = said.Protocol ?? "",
                Reason = said.Reason ?? "", Count = Math.Max(1, said.Count),
            },
        });
    }

    /// <summary>A user that nobody has.</summary>
    private int Allot(int wanted) =>
        UserRange.Pick(wanted, places.Values.Select(place => place.Record).OfType<RunnerRecord>().Select(record => record.User).ToHashSet());

    private string AgentConfigOf(EnsureRunner order, Uri gateway)
    {
        var config = new AgentConfig
        {
            ServerUrl = NetworkRules.ServerUrl(gateway), Runner = order.Runner, Epoch = order.Epoch, Token = order.Token,
            StateDir = InsidePaths.State + "/state", WorkspaceDir = InsidePaths.Workspace, HomeDir = InsidePaths.Home,
            ToolsPath = InsidePaths.ToolsPath(tools), Env = new Dictionary<string, string>(order.Profile.Env),
        };
        return JsonSerializer.Serialize(config, AgentJsonContext.Default.AgentConfig) + "\n";
    }
}

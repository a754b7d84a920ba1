using System.Runtime.InteropServices;
using Marionette.Agent.Agents;
using Marionette.Agent.Agents.Acp;
using Marionette.Agent.Agents.Claude;
using Marionette.Agent.Agents.Codex;
using Marionette.Agent.Agents.Command;
using Marionette.Agent.Agents.Replay;
using Marionette.Agent.Channel;
using Marionette.Agent.Events;
using Marionette.Agent.Runs;
using Marionette.Agent.Spool;
using Marionette.Agent.Workspaces;
using Marionette.Protocol.V1;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Hosting;

/// <summary>Exit codes of the agent. A provider reads them.</summary>
internal static class ExitCodes
{
    /// <summary>Stopped in order, everything acknowledged or kept in the spool.</summary>
    public const int Stopped = 0;

    /// <summary>The configuration, or the folders that it names, cannot be used.</summary>
    public const int BadConfiguration = 1;

    /// <summary>A newer epoch of the runner exists.</summary>
    public const int Fenced = 75;

    /// <summary>A host was removed from its pool; its runners are ended.</summary>
    public const int Dismissed = 75;

    /// <summary>The server does not accept the token.</summary>
    public const int TokenRefused = 76;
}

/// <summary>Puts the parts together and runs them until one of them ends the agent.</summary>
internal sealed class AgentHost(
    AgentConfig config, IReadOnlyDictionary<string, string> environment, TimeProvider clock, ILogger log)
{
    private static readonly TimeSpan FlushLimit = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan GoodbyeLimit = TimeSpan.FromSeconds(2);

    private readonly SetupHolder setup = new();
    private readonly CommandInbox inbox = new();

    /// <summary>Runs the agent.</summary>
    /// <returns>One of <see cref="ExitCodes"/>.</returns>
    public async Task<int> RunAsync()
    {
        byte[] secret;
        EventSpool spool;
        RunJournal journal;
        try
        {
            foreach (var folder in new[] { config.StateDir, config.WorkspaceDir, config.HomeDir })
                Directory.CreateDirectory(folder);
            secret = RunnerSecret.LoadOrCreate(Path.Combine(config.StateDir, "secret"));
            journal = new RunJournal(Path.Combine(config.StateDir, "journal.json"));
            var options = new SpoolOptions { MaxBytes = config.SpoolMib * 1024L * 1024 };
            spool = EventSpool.Open(Path.Combine(config.StateDir, "spool"), options, clock, log);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            log.Ended(ExitCodes.BadConfiguration, exception.Message);
            return ExitCodes.BadConfiguration;
        }

        log.Started(AgentVersion.Text, config.Runner, config.Epoch, Environment.ProcessId);
        using (spool)
        using (PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal))
        using (PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal))
        {
            var code = await RunAsync(spool, journal, secret).ConfigureAwait(false);
            log.Ended(code, code switch
            {
                ExitCodes.Fenced => "fenced",
                ExitCodes.TokenRefused => "token refused",
                _ => "stopped",
            });
            return code;
        }
    }

    private async Task<int> RunAsync(EventSpool spool, RunJournal journal, byte[] secret)
    {
        var sink = new EventSink(spool, clock);
        var services = new AgentServices
        {
            Config = config,
            Setup = setup,
            Journal = journal,
            Sink = sink,
            Environment = environment,
            Clock = clock,
            Log = log,
        };
        using var life = new CancellationTokenSource();
        using var direct = new DirectTransfers(clock, log);
        var mirrors = new RemoteGitMirrors(config, secret, direct, clock, log);
        mirrors.Clear();
        var opening = new FolderOpening(config, setup, sink, secret, direct, new WorkspaceSeed(config, services.Environment, sink, clock, mirrors), clock, log);
        using var keeper = new CheckpointKeeper(opening, new Checkpoint(config, setup, journal, sink, secret, direct, clock, log), setup, sink, clock, log);
        var channel = new ControlChannel(config, spool, inbox, OnWelcome, clock, log);
        var coordinator = new RunCoordinator(
            inbox.Commands, () => new PreparedDriver(CreateDriver(services), services), setup, config.WorkspaceDir, journal, opening, keeper, sink, clock, log);
        // First what the last process left, then the connection: the server hears of an interrupted run before it asks anew.
        coordinator.Recover();
        var talking = channel.RunAsync(secret, life.Token);
        var working = coordinator.RunAsync(life.Token);
        if (await Task.WhenAny(talking, working).ConfigureAwait(false) == talking)
        {
            coordinator.Kill();
            await keeper.AbandonAsync().ConfigureAwait(false);
            return await talking.ConfigureAwait(false) switch
            {
                ChannelEnd.Fenced => ExitCodes.Fenced,
                ChannelEnd.TokenRefused => ExitCodes.TokenRefused,
                _ => ExitCodes.Stopped,
            };
        }

        var reason = await working.ConfigureAwait(false);
        await SayGoodbyeAsync(channel, spool, talking, reason).ConfigureAwait(false);
        await life.CancelAsync().ConfigureAwait(false);
        await talking.ConfigureAwait(false);
        return ExitCodes.Stopped;

        void OnWelcome(Welcome welcome)
        {
            if (welcome.MaxEventBytes > 0)
                sink.MaxEventBytes = (int)Math.Min(welcome.MaxEventBytes, EventSink.DefaultMaxEventBytes);
            setup.Set(welcome.Setup ?? new Setup());
            sink.Hide(setup.Current.ApiKey);
            sink.Hide(setup.Current.Git?.Secret ?? "");
            opening.Begin(setup.Current, life.Token);
        }
    }

    private async Task SayGoodbyeAsync(ControlChannel channel, EventSpool spool, Task talking, string reason)
    {
        using var limit = new CancellationTokenSource(FlushLimit, clock);
        try
        {
            await Task.WhenAny(talking, spool.WhenAckedAsync(spool.Last, limit.Token)).ConfigureAwait(false);
            using var goodbye = new CancellationTokenSource(GoodbyeLimit, clock);
            await channel.SayGoodbyeAsync(reason, goodbye.Token).ConfigureAwait(false);
            await talking.WaitAsync(goodbye.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or Grpc.Core.RpcException
            or InvalidOperationException or ObjectDisposedException)
        {
            // The rest stays in the spool, for whoever starts this runner again.
        }
    }

    private static IAgentDriver CreateDriver(AgentServices services) => services.Setup.Current.Agent switch
    {
        "claude" => new ClaudeDriver(services),
        "codex" => new CodexDriver(services),
        "acp" => new AcpDriver(services),
        "command" => new CommandDriver(services),
        "replay" => new ReplayDriver(services),
        var other => throw new AgentStartException(
            ErrorCodes.AgentNotFound, $"This runner cannot drive an agent named \"{other}\"."),
    };

    private void OnSignal(PosixSignalContext context)
    {
        context.Cancel = true;
        log.Signalled(context.Signal.ToString());
        inbox.Inject(new Command { Stop = new Stop { Reason = "signal" } });
    }
}

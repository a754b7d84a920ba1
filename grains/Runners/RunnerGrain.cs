using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Marionette.Providers;
using Marionette.Sessions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Marionette.Runners;

/// <summary>
/// One runner: recorded before its provider is asked, admitted by token and secret, given up when its lease ends. It tells its session what became
/// of it; those calls are not awaited, since the session calls here too.
/// </summary>
[GrainType("runner")]
internal sealed partial class RunnerGrain(
    [PersistentState("runner", StorageNames.State)] IPersistentState<RunnerRecord> row, TimeProvider clock, IOptions<SessionOptions> options,
    ILogger<RunnerGrain> logger) : Grain, IRunnerGrain
{
    /// <summary>An agent that dies more often than this is not started again.</summary>
    private const int RestartLimit = 3;

    /// <summary>Exit codes of marionette-agent after which a new start would end the same way: 0 done, 75 fenced, 76 token refused.</summary>
    private static readonly int[] FinalExits = [0, 75, 76];

    /// <summary>Tokens of one start that are good at a time, beside the newest.</summary>
    private const int MostTokens = 4;

    private static readonly TimeSpan LeaseCheck = TimeSpan.FromSeconds(2);

    /// <summary>How often its provider is asked whether it still knows it.</summary>
    private static readonly TimeSpan AskEvery = TimeSpan.FromSeconds(10);

    /// <summary>A phase that took longer is worth an event.</summary>
    private const int LongPhaseMs = 2000;

    private readonly Dictionary<string, long> _steps = [];
    private IGrainTimer? _lease;
    private DateTimeOffset _askedAt, _heardAt;

    private RunnerRecord? Record => row.RecordExists ? row.State : null;

    private DateTimeOffset Now => clock.GetUtcNow();

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _askedAt = _heardAt = Now;
        if (Record is { IsFinal: false }) WatchLease();
        return Task.CompletedTask;
    }

    public async Task EnsureAsync(RunnerRequest request, CancellationToken cancellationToken)
    {
        if (Record is { } known)
        {
            // Its session was not told, or that was lost with a silo. One that has gone on to another epoch takes it for nothing.
            if (known.IsFinal) TellOfEnd(known);
            else if (known.Status == RunnerStatus.Provisioning) await ProvisionAsync(known);
            else await Provider(known).WatchAsync(this.GetPrimaryKeyString(), known.Epoch, CancellationToken.None);
            return;
        }

        var (_, id) = GrainKeys.Split(this.GetPrimaryKeyString());
        var now = Now;
        await ProvisionAsync(new RunnerRecord
        {
            Id = id, Name = id, Status = RunnerStatus.Provisioning, Provider = request.Provider, SessionId = request.SessionId,
            Epoch = request.Epoch, WorkspaceId = request.WorkspaceId, Shape = request.Shape, Network = request.Network, CreatedAt = now, UpdatedAt = now,
        });
        WatchLease();
    }

    public ValueTask<RunnerView> GetAsync(CancellationToken cancellationToken) => ValueTask.FromResult(Known().ToView());

    public async Task<RunnerAdmission> HelloAsync(RunnerHello hello, CancellationToken cancellationToken)
    {
        var record = Record ?? throw new MarionetteException(FaultCode.TokenRefused, "The runner token is not known.");
        var secret = Hash(hello.Secret);
        var token = Hash(Encoding.UTF8.GetBytes(hello.Token));
        if (!record.EarlierTokenHashes.Append(record.TokenHash).Any(known => Same(known, token)) || hello.Secret.Length < 16)
            throw new MarionetteException(FaultCode.TokenRefused, "The runner token is not known.");
        if (record.SecretHash is { } bound && !Same(bound, secret))
            throw new MarionetteException(FaultCode.TokenRefused, "The runner token was used by another agent.");
        CheckEpoch(record, hello.Epoch);
        if (record.Status == RunnerStatus.Paused) throw new MarionetteException(FaultCode.Unavailable, "The runner is paused; connect again once its session resumes.");

        _heardAt = Now;
        var first = record.SecretHash is null;
        var phases = first ? record.StartPhasesMs.SetItem("connect", (long)(Now - record.CreatedAt).TotalMilliseconds) : record.StartPhasesMs;
        await WriteAsync(record with
        {
            SecretHash = secret, Status = RunnerStatus.Online, OfflineSince = null, Hostname = hello.Hostname, AgentVersion = hello.AgentVersion,
            StartPhasesMs = phases, LastSeenAt = Now, WakingSince = null,
        });
        return Admission(record);
    }

    public ValueTask<RunnerAdmission> VerifyAsync(long epoch, byte[] secret, CancellationToken cancellationToken)
    {
        if (Record is not { SecretHash: { } bound } record || !Same(bound, Hash(secret)))
            throw new MarionetteException(FaultCode.TokenRefused, "The runner's secret is not known.");
        CheckEpoch(record, epoch);
        return ValueTask.FromResult(Admission(record));
    }

    public async Task PresenceAsync(bool online, CancellationToken cancellationToken)
    {
        // What a stream says that has not noticed yet is no sign of life, and its end none of death.
        if (Record is not { IsFinal: false, Status: not RunnerStatus.Paused } record) return;
        if (online) _heardAt = Now;
        if (online == (record.Status == RunnerStatus.Online)) return;
        await WriteAsync(record with
        {
            Status = online ? RunnerStatus.Online : RunnerStatus.Offline, OfflineSince = online ? null : Now, LastSeenAt = Now,
            WakingSince = online ? null : record.WakingSince,
        });
    }

    public async Task ObservedAsync(RunnerObservation observation, CancellationToken cancellationToken)
    {
        if (Record is not { IsFinal: false } record) return;
        switch (observation.State)
        {
            case "running":
                if (record.Status == RunnerStatus.Provisioning)
                    await WriteAsync(record with
                    {
                        Status = RunnerStatus.Started, StartedAt = Now, SandboxMode = observation.Isolation ?? record.SandboxMode,
                        StartPhasesMs = WithSteps(observation.ProvisionMs is { } took ? record.StartPhasesMs.SetItem("provision", took) : record.StartPhasesMs),
                    });
                break;
            case "missing" when observation.Cause == DeathCauses.HostLost && record.Status == RunnerStatus.Online && Now - _heardAt < options.Value.RunnerSilence:
                // Its host's stream is away, and its own is up: so it lives. Should its stream break, too, the next look finds it.
                break;
            // A new agent would have none of the memory that the pause was for.
            case "exited" when record.Status == RunnerStatus.Paused || record.WakingSince is not null:
                await LoseAsync(record, observation.Cause ?? "exited", observation.Detail);
                break;
            case "exited" when record.Restarts < RestartLimit && !FinalExits.Contains(observation.ExitCode ?? -1):
                // In its old place: what the agent had not sent yet lies in its spool there.
                Log.AgentRestarted(logger, record.Id, observation.Detail ?? "");
                await ProvisionAsync(record with { Restarts = record.Restarts + 1 });
                break;
            default:
                await LoseAsync(record, observation.Cause ?? "exited", observation.Detail);
                break;
        }
    }

    public Task ProgressAsync(RunnerStep step, CancellationToken cancellationToken)
    {
        if (Record is not { IsFinal: false } record) return Task.CompletedTask;
        if (step.TookMs is { } took) _steps[step.Phase] = took;
        // Every phase stands in the record; the session's log has what people wait for.
        if (step.Detail is not null || step.TookMs > LongPhaseMs)
            TellSession(Session(record).RunnerProgressAsync(record.Epoch, step, CancellationToken.None));
        return Task.CompletedTask;
    }

    public Task BlockedAsync(BlockedTarget target, CancellationToken cancellationToken)
    {
        if (Record is { IsFinal: false } record) TellSession(Session(record).NetworkBlockedAsync(record.Epoch, target, CancellationToken.None));
        return Task.CompletedTask;
    }

    public Task ThrottledAsync(RunnerThrottle throttle, CancellationToken cancellationToken)
    {
        if (Record is { IsFinal: false } record) TellSession(Session(record).RunnerThrottledAsync(record.Epoch, throttle, CancellationToken.None));
        return Task.CompletedTask;
    }

    public async Task ApplyNetworkAsync(NetworkRules rules, CancellationToken cancellationToken)
    {
        if (Record is not { IsFinal: false } record) return;
        if (!RunnerShapes.Same(record.Network, rules)) await WriteAsync(record with { Network = rules });
        await Provider(record).ApplyNetworkAsync(this.GetPrimaryKeyString(), record.Epoch, rules, CancellationToken.None);
    }

    public async Task ReleaseAsync(string reason, CancellationToken cancellationToken)
    {
        if (Record is not { } record) return;
        if (!record.IsFinal)
        {
            await WriteAsync(record with { Status = RunnerStatus.Released, Reason = reason });
            _lease?.Dispose();
        }

        await Provider(record).ReleaseAsync(this.GetPrimaryKeyString(), record.Epoch, CancellationToken.None);
        DeactivateOnIdle();
    }

    /// <summary>Writes the record with a fresh token, then asks: a token is for one start of an agent.</summary>
    private async Task ProvisionAsync(RunnerRecord record)
    {
        var token = "rtok_" + Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)).TrimEnd('=').Replace('+', '-').Replace('/', '_');
        // Whoever is asked again may be at work already, with the token of the first time; a restart is another start.
        ImmutableArray<string> earlier = record.TokenHash.Length > 0 && record.Restarts == Record?.Restarts
            ? [record.TokenHash, .. record.EarlierTokenHashes.Take(MostTokens - 1)]
            : [];
        await WriteAsync(record with { TokenHash = Hash(Encoding.UTF8.GetBytes(token)), EarlierTokenHashes = earlier });
        await Provider(record).ProvisionAsync(
            new ProvisionRunner(this.GetPrimaryKeyString(), record.Epoch, token, record.WorkspaceId) { Shape = record.Shape, Network = record.Network },
            CancellationToken.None);
    }

    private void WatchLease() => _lease ??= this.RegisterGrainTimer(CheckLeaseAsync, LeaseCheck, LeaseCheck);

    private async Task CheckLeaseAsync(CancellationToken cancellationToken)
    {
        if (Record is not { IsFinal: false } record) return;
        if (record.SecretHash is null && record.Status == RunnerStatus.Started && Now - (record.StartedAt ?? record.CreatedAt) > options.Value.ConnectTimeout)
            await LoseAsync(record, "provision_failed", $"The agent did not call within {options.Value.ConnectTimeout.TotalSeconds:0} s of its start.");
        else if (record.Status == RunnerStatus.Online && Now - _heardAt > options.Value.RunnerSilence)
            await WriteAsync(record with { Status = RunnerStatus.Offline, OfflineSince = _heardAt });
        else if (Now - record.WakingSince > options.Value.ConnectTimeout)
            await LoseAsync(record, "unpause_failed", $"Its agent did not call within {options.Value.ConnectTimeout.TotalSeconds:0} s of the end of its pause.");
        else if (Now - record.OfflineSince > options.Value.RunnerLease)
            await LoseAsync(record, "lease_expired", $"No stream for {options.Value.RunnerLease.TotalSeconds:0} s.");
        else if (Now - _askedAt > AskEvery)
            await AskProviderAsync(record);
    }

    /// <summary>The provider's grain moves and dies like any other, and forgets: a start that it does not know is ordered again, the rest is watched again.</summary>
    private async Task AskProviderAsync(RunnerRecord record)
    {
        _askedAt = Now;
        var (provider, key) = (Provider(record), this.GetPrimaryKeyString());
        if (record.WakingSince is not null) await provider.UnpauseAsync(key, record.Epoch, CancellationToken.None);
        else if (record.Status != RunnerStatus.Provisioning) await provider.WatchAsync(key, record.Epoch, CancellationToken.None);
        else if (await provider.PlaceAsync(key, CancellationToken.None) == StartPlace.Unknown) await ProvisionAsync(record);
    }

    private ImmutableDictionary<string, long> WithSteps(ImmutableDictionary<string, long> phases) => phases.SetItems(_steps);

    private async Task LoseAsync(RunnerRecord record, string cause, string? detail)
    {
        await WriteAsync(record with { Status = RunnerStatus.Lost, LossCause = cause, Reason = detail ?? cause });
        _lease?.Dispose();
        Log.RunnerLost(logger, record.Id, cause, detail ?? "");
        TellSession(Session(record).RunnerLostAsync(record.Epoch, cause, detail));
        await Provider(record).ReleaseAsync(this.GetPrimaryKeyString(), record.Epoch, CancellationToken.None);
    }

    /// <summary>Not awaited: the session may be waiting for this grain. Its minute reminder finds a final runner if this is lost.</summary>
    private async void TellSession(Task call)
    {
        try
        {
            await call;
        }
        catch (Exception e)
        {
            Log.SessionNotTold(logger, e, this.GetPrimaryKeyString());
        }
    }

    private ISessionGrain Session(RunnerRecord record) =>
        GrainFactory.GetGrain<ISessionGrain>(GrainKeys.Of(GrainKeys.Split(this.GetPrimaryKeyString()).Tenant, record.SessionId!));

    private IProviderGrain Provider(RunnerRecord record) => GrainFactory.GetGrain<IProviderGrain>(record.Provider);

    private static void CheckEpoch(RunnerRecord record, long epoch)
    {
        if (record.IsFinal || epoch != record.Epoch)
            throw new MarionetteException(FaultCode.Fenced, $"The runner is {record.Status.ToString().ToLowerInvariant()}.");
    }

    private RunnerAdmission Admission(RunnerRecord record) => new(GrainKeys.Of(GrainKeys.Split(this.GetPrimaryKeyString()).Tenant, record.SessionId!), record.Epoch);

    private RunnerRecord Known() => Record ?? throw new MarionetteException(FaultCode.NotFound, "No such runner.");

    private async Task WriteAsync(RunnerRecord record)
    {
        var before = row.State;
        row.State = record with { UpdatedAt = Now };
        try
        {
            await row.WriteStateAsync();
        }
        catch
        {
            row.State = before;
            DeactivateOnIdle();
            throw;
        }
    }

    private static string Hash(byte[] value) => Convert.ToHexStringLower(SHA256.HashData(value));

    private static bool Same(string a, string b) =>
        CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(a), Encoding.ASCII.GetBytes(b));

    private static partial class Log
    {
        [LoggerMessage(3001, LogLevel.Warning, "Runner {Runner} is lost: {Cause}. {Detail}", EventName = "runner.lost")]
        public static partial void RunnerLost(ILogger logger, string runner, string cause, string detail);

        [LoggerMessage(3002, LogLevel.Warning, "The agent of runner {Runner} is started again. {Detail}", EventName = "runner.agent.restarted")]
        public static partial void AgentRestarted(ILogger logger, string runner, string detail);

        [LoggerMessage(3003, LogLevel.Warning, "The session of runner {Runner} could not be told", EventName = "runner.session.not_told")]
        public static partial void SessionNotTold(ILogger logger, Exception exception, string runner);
    }
}

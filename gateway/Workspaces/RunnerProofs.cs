using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using Grpc.Core;
using Marionette.Gateway.Auth;
using Marionette.Gateway.Grpc;
using Marionette.Runners;

namespace Marionette.Gateway.Workspaces;

/// <summary>The runner that calls: whose chunks, and which session's snapshots.</summary>
internal sealed record RunnerCaller(string Tenant, string SessionId, string Runner)
{
    /// <summary>The label of a record that it writes.</summary>
    public string LabelOf(string part) => SnapshotRow.LabelOf(SessionId, part);

    /// <summary>Whether a record is its session's.</summary>
    public bool Owns(string label) => SnapshotRow.IsOf(label, SessionId);
}

/// <summary>
/// Who calls, from a call's metadata, by the word of the runner's grain. A proof that was found good is believed for <see cref="CacheTime"/>: a restore reads
/// thousands of times, and next to none of them goes to the grain.
/// </summary>
internal sealed class RunnerProofs(IGrainFactory grains, TimeProvider clock, ILogger<RunnerProofs> logger)
{
    /// <summary>How late the end of a runner's epoch may be noticed here.</summary>
    public static readonly TimeSpan CacheTime = TimeSpan.FromSeconds(20);

    private const int CacheLimit = 10_000, MinSecretBytes = 16, MaxSecretBytes = 64;

    /// <summary>A silo that moves is waited for, and a caller without a deadline is told in the end.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    private readonly ConcurrentDictionary<Proof, Known> _known = new();

    private readonly record struct Proof(string Runner, long Epoch, KeyHash Secret);

    private sealed record Known(RunnerCaller Caller, DateTimeOffset Until);

    /// <summary>The caller.</summary>
    /// <exception cref="RpcException">Unauthenticated: the metadata is no proof.</exception>
    /// <exception cref="MarionetteException">TokenRefused, Fenced: the grain's word.</exception>
    /// <exception cref="OperationCanceledException">The grain could not be asked.</exception>
    public async ValueTask<RunnerCaller> CheckAsync(ServerCallContext context)
    {
        var (runner, epoch, secret) = Read(context);
        var proof = new Proof(runner, epoch, KeyHash.Of(SHA256.HashData(secret)));
        if (_known.TryGetValue(proof, out var known) && known.Until > clock.GetUtcNow()) return known.Caller;

        using var limit = new CancellationTokenSource(Patience, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, context.CancellationToken);
        var grain = grains.GetGrain<IRunnerGrain>(runner);
        var asked = clock.GetUtcNow();
        var admission = await GrainCalls.RetryAsync(() => grain.VerifyAsync(epoch, secret, both.Token).AsTask(), clock, logger, both.Token);
        var (tenant, session) = GrainKeys.Split(admission.SessionKey);
        var caller = new RunnerCaller(tenant, session, runner);
        if (_known.Count >= CacheLimit) _known.Clear(); // cheaper than order: an entry lives for seconds anyway
        _known[proof] = new Known(caller, asked + CacheTime);
        return caller;
    }

    private static (string Runner, long Epoch, byte[] Secret) Read(ServerCallContext context)
    {
        try
        {
            var metadata = context.RequestHeaders;
            var runner = metadata.GetValue("mn-runner") ?? "";
            var secret = metadata.GetValueBytes("mn-secret-bin") ?? [];
            if (RunnerKey.Is(runner) && secret.Length is >= MinSecretBytes and <= MaxSecretBytes
                && long.TryParse(metadata.GetValue("mn-epoch"), NumberStyles.None, CultureInfo.InvariantCulture, out var epoch))
                return (runner, epoch, secret);
        }
        catch (FormatException)
        {
            // A binary header that is no base64 is found when it is looked at.
        }

        throw new RpcException(new Status(StatusCode.Unauthenticated, "The runner's key, epoch or secret is not one."));
    }
}

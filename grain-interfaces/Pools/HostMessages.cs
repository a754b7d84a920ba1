using System.Collections.Immutable;
using Marionette.Runners;

namespace Marionette.Pools;

/// <summary>What a host proves when it calls.</summary>
/// <param name="Token">Join token; empty once it has joined.</param>
/// <param name="Secret">The host's own; the first hello binds it.</param>
[GenerateSerializer, Immutable, Alias("mn.host.hello.v1")]
public sealed record HostHelloCommand([property: Id(0)] string Token, [property: Id(1)] byte[] Secret, [property: Id(2)] HostFacts Facts)
{
    /// <summary>Never the proofs.</summary>
    public override string ToString() => $"HostHelloCommand({Facts.Name})";
}

/// <summary>All of a host at one moment.</summary>
[GenerateSerializer, Immutable, Alias("mn.host.inventory.v1")]
public sealed record HostInventory([property: Id(0)] HostFacts Facts, [property: Id(1)] ImmutableArray<HostRunnerView> Runners);

/// <summary>Something that a host says.</summary>
[GenerateSerializer, Immutable, Alias("mn.host.saying.v1")]
public abstract record HostSaying;

/// <summary>It lives, and how busy it is.</summary>
[GenerateSerializer, Immutable, Alias("mn.host.saying.alive.v1")]
public sealed record HostAlive([property: Id(0)] HostLoad Load) : HostSaying;

/// <summary>All of it anew.</summary>
[GenerateSerializer, Immutable, Alias("mn.host.saying.inventory.v1")]
public sealed record HostInventoryTaken([property: Id(0)] HostInventory Inventory) : HostSaying;

/// <summary>A runner ended or is gone.</summary>
[GenerateSerializer, Immutable, Alias("mn.host.saying.ended.v1")]
public sealed record HostRunnerEnded([property: Id(0)] HostRunnerView Runner) : HostSaying;

/// <summary>A runner's network policy held something back.</summary>
[GenerateSerializer, Immutable, Alias("mn.host.saying.blocked.v1")]
public sealed record HostRunnerBlocked(
    [property: Id(0)] string RunnerKey,
    [property: Id(1)] long Epoch,
    [property: Id(2)] BlockedTarget Target) : HostSaying;

/// <summary>A runner was throttled, or is no longer.</summary>
[GenerateSerializer, Immutable, Alias("mn.host.saying.throttled.v1")]
public sealed record HostRunnerThrottled(
    [property: Id(0)] string RunnerKey,
    [property: Id(1)] long Epoch,
    [property: Id(2)] RunnerThrottle Throttle) : HostSaying;

/// <summary>A phase of a start ended, or how far it is.</summary>
[GenerateSerializer, Immutable, Alias("mn.host.saying.progress.v1")]
public sealed record HostOrderProgress([property: Id(0)] string OrderId, [property: Id(1)] RunnerStep Step) : HostSaying;

/// <summary>An order's end.</summary>
/// <param name="Fault">
/// "rejected", "capacity", "throttled", "unavailable", "ambiguous"; "abandoned": it is not wanted any more, or its host is lost; null: it was done.
/// </param>
/// <param name="Message">For people, with a fault.</param>
/// <param name="Runner">The runner afterwards.</param>
[GenerateSerializer, Immutable, Alias("mn.host.saying.result.v1")]
public sealed record HostOrderResult(
    [property: Id(0)] string OrderId,
    [property: Id(1)] string? Fault,
    [property: Id(2)] string? Message,
    [property: Id(3)] int RetryAfterMs,
    [property: Id(4)] HostRunnerView? Runner) : HostSaying
{
    /// <summary>Phases of the start that it was, in order; empty for other orders.</summary>
    [Id(5)] public ImmutableArray<RunnerStep> Steps { get => field.IsDefault ? [] : field; init; } = [];
}

/// <summary>An order to a host: what shall be, so that a repeat changes nothing.</summary>
/// <param name="OrderId">Names the order; the same one may come again.</param>
/// <param name="RunnerKey">"tenant/run_…".</param>
/// <param name="Epoch">Epoch of its session.</param>
[GenerateSerializer, Immutable, Alias("mn.host.order.v1")]
public abstract record HostOrder([property: Id(0)] string OrderId, [property: Id(1)] string RunnerKey, [property: Id(2)] long Epoch);

/// <summary>Make it, or find it.</summary>
/// <param name="Token">Single-use runner token in clear: to the host only.</param>
[GenerateSerializer, Immutable, Alias("mn.host.order.ensure.v1")]
public sealed record EnsureRunnerOrder(
    string OrderId, string RunnerKey, long Epoch,
    [property: Id(0)] string Token,
    [property: Id(1)] string WorkspaceId,
    [property: Id(2)] RunnerShape Shape,
    [property: Id(3)] NetworkRules Network) : HostOrder(OrderId, RunnerKey, Epoch)
{
    /// <summary>Never the token.</summary>
    public override string ToString() => $"EnsureRunnerOrder({RunnerKey}, epoch {Epoch})";
}

/// <summary>What else a runner can be told.</summary>
public enum RunnerOrderKind
{
    /// <summary>Unknown to this version.</summary>
    Unknown = 0,
    /// <summary>End its agent; its place stays.</summary>
    Stop = 1,
    /// <summary>End it and remove what belongs to it alone; the workspace stays.</summary>
    Release = 2,
    /// <summary>Stop its processes where they are.</summary>
    Pause = 3,
    /// <summary>Let them go on.</summary>
    Unpause = 4,
    /// <summary>Look at it.</summary>
    Observe = 5,
}

/// <summary>An order that needs no more than the runner.</summary>
[GenerateSerializer, Immutable, Alias("mn.host.order.runner.v1")]
public sealed record RunnerOrder(string OrderId, string RunnerKey, long Epoch, [property: Id(0)] RunnerOrderKind Kind) : HostOrder(OrderId, RunnerKey, Epoch);

/// <summary>Remove the files of a workspace that no runner has.</summary>
/// <param name="Workspace">"tenant/ws_…"; it stands as the order's key as well.</param>
[GenerateSerializer, Immutable, Alias("mn.host.order.forget-workspace.v1")]
public sealed record ForgetWorkspaceOrder(string OrderId, [property: Id(0)] string Workspace) : HostOrder(OrderId, Workspace, 0);

/// <summary>Put other network rules in force.</summary>
[GenerateSerializer, Immutable, Alias("mn.host.order.network.v1")]
public sealed record NetworkOrder(string OrderId, string RunnerKey, long Epoch, [property: Id(0)] NetworkRules Network) : HostOrder(OrderId, RunnerKey, Epoch);

/// <summary>What a runner needs of a host.</summary>
/// <param name="Refused">Hosts that have just refused it.</param>
[GenerateSerializer, Immutable, Alias("mn.pool.place.v1")]
public sealed record PlaceRunner(
    [property: Id(0)] string RunnerKey,
    [property: Id(1)] long Epoch,
    [property: Id(2)] string WorkspaceId,
    [property: Id(3)] RunnerShape Shape,
    [property: Id(4)] NetworkRules Network,
    [property: Id(5)] ImmutableArray<string> Refused);

/// <summary>Something that a pool's hosts told.</summary>
[GenerateSerializer, Immutable, Alias("mn.pool.notice.v1")]
public abstract record PoolNotice([property: Id(0)] string RunnerKey, [property: Id(1)] long Epoch);

/// <summary>A runner ended or is gone: look at it.</summary>
[GenerateSerializer, Immutable, Alias("mn.pool.notice.ended.v1")]
public sealed record PoolRunnerEnded(string RunnerKey, long Epoch) : PoolNotice(RunnerKey, Epoch);

/// <summary>A runner's network policy held something back.</summary>
[GenerateSerializer, Immutable, Alias("mn.pool.notice.blocked.v1")]
public sealed record PoolRunnerBlocked(string RunnerKey, long Epoch, [property: Id(0)] BlockedTarget Target) : PoolNotice(RunnerKey, Epoch);

/// <summary>A runner was throttled, or is no longer.</summary>
[GenerateSerializer, Immutable, Alias("mn.pool.notice.throttled.v1")]
public sealed record PoolRunnerThrottled(string RunnerKey, long Epoch, [property: Id(0)] RunnerThrottle Throttle) : PoolNotice(RunnerKey, Epoch);

/// <summary>How far a runner's start is.</summary>
[GenerateSerializer, Immutable, Alias("mn.pool.notice.progress.v1")]
public sealed record PoolRunnerProgress(string RunnerKey, long Epoch, [property: Id(0)] RunnerStep Step) : PoolNotice(RunnerKey, Epoch);

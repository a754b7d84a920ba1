using System.Collections.Immutable;
using Marionette.Pools;
using Marionette.Runners;
using Wire = Marionette.Protocol.Hosts.V1;

namespace Marionette.Gateway.Grpc.Hosts;

/// <summary>The host protocol to the grains' contract and back. What a host sends is bounded here: it ends up in rows and in answers.</summary>
internal static class HostMapper
{
    public const int MaxRunners = 4096;

    private const int MaxLabels = 64, MaxSandboxes = 16, MaxAgents = 256, MaxLimits = 16;
    private const int Short = 64, Medium = 255, Long = 1000;
    private const double MostCpus = 1e6;
    private const long MostMib = 1L << 40;

    /// <exception cref="MarionetteException">Invalid: too much, or not what the protocol says.</exception>
    public static HostInventory Inventory(Wire.Inventory? wire)
    {
        if (wire?.Facts is null) throw Invalid("An inventory needs facts.");
        if (wire.Runners.Count > MaxRunners) throw Invalid($"A host may have {MaxRunners} runners at most.");
        return new HostInventory(Facts(wire.Facts), [.. wire.Runners.Select(Runner)]);
    }

    /// <summary>What a message says to the host's grain; null for one that says nothing to it.</summary>
    /// <exception cref="MarionetteException">Invalid.</exception>
    public static HostSaying? Saying(Wire.HostMessage message) => message.KindCase switch
    {
        Wire.HostMessage.KindOneofCase.Heartbeat => new HostAlive(Load(message.Heartbeat)),
        Wire.HostMessage.KindOneofCase.Inventory => new HostInventoryTaken(Inventory(message.Inventory)),
        Wire.HostMessage.KindOneofCase.Ended => new HostRunnerEnded(Runner(message.Ended)),
        Wire.HostMessage.KindOneofCase.Blocked => Blocked(message.Blocked),
        Wire.HostMessage.KindOneofCase.Throttled => Throttled(message.Throttled),
        Wire.HostMessage.KindOneofCase.Progress => new HostOrderProgress(
            Id(message.Progress.Id),
            new RunnerStep(
                Name(message.Progress.Phase, Short, "A phase"), message.Progress.HasTookMs ? Math.Max(0, message.Progress.TookMs) : null,
                Words(message.Progress.Detail, Long))),
        Wire.HostMessage.KindOneofCase.Result => Result(message.Result),
        _ => null,
    };

    public static Wire.GatewayMessage ToWire(HostOrder order)
    {
        var reference = new Wire.RunnerRef { Runner = order.RunnerKey, Epoch = order.Epoch };
        var wire = new Wire.Order { Id = order.OrderId };
        switch (order)
        {
            case EnsureRunnerOrder ensure:
                wire.Ensure = Ensure(ensure);
                break;
            case NetworkOrder network:
                wire.Egress = new Wire.ApplyEgress { Runner = order.RunnerKey, Epoch = order.Epoch, Rules = Rules(network.Network) };
                break;
            case RunnerOrder { Kind: RunnerOrderKind.Stop }:
                wire.Stop = reference;
                break;
            case RunnerOrder { Kind: RunnerOrderKind.Release }:
                wire.Release = reference;
                break;
            case RunnerOrder { Kind: RunnerOrderKind.Pause }:
                wire.Pause = reference;
                break;
            case RunnerOrder { Kind: RunnerOrderKind.Unpause }:
                wire.Unpause = reference;
                break;
            case RunnerOrder { Kind: RunnerOrderKind.Observe }:
                wire.Observe = reference;
                break;
            case ForgetWorkspaceOrder forget:
                wire.ForgetWorkspace = new Wire.WorkspaceRef { Workspace = forget.Workspace };
                break;
            default:
                throw Invalid($"This gateway does not know the order {order.GetType().Name}.");
        }

        return new Wire.GatewayMessage { Order = wire };
    }

    private static Wire.EnsureRunner Ensure(EnsureRunnerOrder order)
    {
        var shape = order.Shape;
        var profile = new Wire.RunnerProfile
        {
            Name = shape.Profile, Cpus = shape.Cpus, MemoryMib = shape.MemoryMib, DiskMib = shape.DiskMib, Pids = shape.Pids, Sandbox = shape.Sandbox,
        };
        profile.Env.Add(shape.Env.ToDictionary());
        return new Wire.EnsureRunner
        {
            Runner = order.RunnerKey, Epoch = order.Epoch, Token = order.Token, Workspace = order.WorkspaceId, Profile = profile, Egress = Rules(order.Network),
        };
    }

    private static Wire.EgressRules Rules(NetworkRules network)
    {
        var rules = new Wire.EgressRules { Mode = network.Mode };
        if (!network.Allowed.IsDefaultOrEmpty) rules.Allowed.AddRange(network.Allowed);
        return rules;
    }

    private static HostFacts Facts(Wire.HostFacts wire)
    {
        if (wire.Labels.Count > MaxLabels) throw Invalid($"A host may have {MaxLabels} labels at most.");
        if (wire.Sandboxes.Count > MaxSandboxes || wire.Agents.Count > MaxAgents) throw Invalid("A host names too many sandboxes or agent programs.");
        return new HostFacts
        {
            Name = Words(wire.Name, Medium), Version = Words(wire.Version, Short), System = Words(wire.System, Medium), BootId = Words(wire.BootId, Short),
            Cpus = Cpus(wire.Cpus), MemoryMib = Mib(wire.MemoryMib), DiskMib = Mib(wire.DiskMib),
            Labels = wire.Labels.ToImmutableDictionary(
                label => Name(label.Key, 63, "A label's key"), label => Plain(label.Value, Medium, "A label's value"), StringComparer.Ordinal),
            Sandboxes = [.. wire.Sandboxes.Select(Sandbox)],
            Agents = [.. wire.Agents.Select(agent => new HostAgent(
                Name(agent.Kind, Short, "An agent's kind"), Name(agent.Program, Medium, "An agent's program"), Plain(agent.Path, Long, "An agent's path"),
                agent.Version.Length == 0 ? null : Words(agent.Version, Short)))],
        };
    }

    private static HostSandbox Sandbox(Wire.SandboxFacts wire)
    {
        if (wire.Limits.Count > MaxLimits) throw Invalid("A sandbox names too many limits.");
        return new HostSandbox(
            Name(wire.Kind, Short, "A sandbox's kind"), wire.Works, Words(wire.Detail, Long), [.. wire.Limits.Select(limit => Name(limit, Short, "A limit"))],
            wire.Egress, wire.Pause);
    }

    private static HostRunnerView Runner(Wire.RunnerReport wire) =>
        new(
            RunnerOf(wire.Runner), wire.Epoch, StateOf(wire.State), wire.HasExitCode ? wire.ExitCode : null,
            wire.Cause.Length == 0 ? null : Name(wire.Cause, Short, "A cause"), wire.Detail.Length == 0 ? null : Words(wire.Detail, Long))
        {
            Cpus = Cpus(wire.Cpus), MemoryMib = Mib(wire.MemoryMib), DiskMib = Mib(wire.DiskMib), Sandbox = Plain(wire.Sandbox, Short, "A sandbox"),
            WorkspaceId = wire.Workspace.Length == 0 || EntityId.Is(EntityId.Workspace, wire.Workspace) ? wire.Workspace
                : throw Invalid("A workspace's id is not one."),
        };

    // A state that this version does not know is not a death: only what is known to be one may count as one. None at all is a start under way.
    private static string StateOf(Wire.RunnerState state) => state switch
    {
        Wire.RunnerState.Unknown => "ordered",
        Wire.RunnerState.Exited => "exited",
        Wire.RunnerState.Missing => "missing",
        Wire.RunnerState.Paused => "paused",
        _ => "running",
    };

    private static HostOrderResult Result(Wire.OrderResult wire) => new(
        Id(wire.Id),
        wire.Fault is null ? null : FaultOf(wire.Fault.Kind),
        wire.Fault is null ? null : Words(wire.Fault.Message, Long),
        (int)Math.Min(wire.Fault?.RetryAfterMs ?? 0, int.MaxValue),
        wire.Runner is null ? null : Runner(wire.Runner));

    // Of a failure of a kind that this version does not know, it is not known either whether something was made.
    private static string FaultOf(Wire.FaultKind kind) => kind switch
    {
        Wire.FaultKind.Rejected => "rejected",
        Wire.FaultKind.Capacity => "capacity",
        Wire.FaultKind.Throttled => "throttled",
        Wire.FaultKind.Unavailable => "unavailable",
        _ => "ambiguous",
    };

    private static HostRunnerBlocked Blocked(Wire.EgressBlocked wire) => new(
        RunnerOf(wire.Runner), wire.Epoch,
        new BlockedTarget(
            Words(wire.Target, Medium), Math.Clamp(wire.Port, 0, 65_535), Words(wire.Protocol, Short), Words(wire.Reason, Short), Math.Max(1, wire.Count)));

    private static HostRunnerThrottled Throttled(Wire.RunnerThrottled wire) => new(
        RunnerOf(wire.Runner), wire.Epoch, new RunnerThrottle(wire.Over, Cpus(wire.Cpus), Words(wire.Reason, Short), Math.Max(1, wire.Count)));

    private static HostLoad Load(Wire.HostHeartbeat wire) =>
        new(double.IsFinite(wire.CpuLoad) ? Math.Clamp(wire.CpuLoad, 0, 1) : 0, Mib(wire.MemoryUsedMib), Mib(wire.DiskFreeMib));

    private static string RunnerOf(string key) => RunnerKey.Is(key) ? key : throw Invalid("A runner's key is not one.");

    private static string Id(string text) => Name(text, 128, "An order's id");

    private static double Cpus(double cpus) => cpus is >= 0 and <= MostCpus ? cpus : throw Invalid("A number of cores is out of range.");

    private static long Mib(long mib) => mib is >= 0 and <= MostMib ? mib : throw Invalid("A size is out of range.");

    private static string Name(string text, int most, string what) => text.Length > 0 ? Plain(text, most, what) : throw Invalid($"{what} is missing.");

    private static string Plain(string text, int most, string what) => text.Length <= most && !text.Any(char.IsControl)
        ? text
        : throw Invalid($"{what} must have at most {most} characters and no control characters.");

    /// <summary>Text for people: cut where it is too long, and on one line.</summary>
    private static string Words(string text, int most)
    {
        if (text.Length > most) text = text[..(char.IsHighSurrogate(text[most - 1]) ? most - 1 : most)];
        return text.Any(char.IsControl) ? string.Concat(text.Select(c => char.IsControl(c) ? ' ' : c)) : text;
    }

    private static MarionetteException Invalid(string message) => new(FaultCode.Invalid, message);
}

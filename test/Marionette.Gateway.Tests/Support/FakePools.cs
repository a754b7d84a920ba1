using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Reflection;
using Marionette.Pools;

namespace Marionette.Gateway.Tests.Support;

/// <summary>Pools and hosts by their keys, as little as the routes and the stream need.</summary>
internal sealed class FakePools
{
    private static readonly DateTimeOffset Now = new(2026, 11, 23, 10, 0, 0, TimeSpan.Zero);

    public ConcurrentDictionary<string, HostView> Hosts { get; } = new();

    public ConcurrentDictionary<string, JoinTokenView> Tokens { get; } = new();

    /// <summary>What was wished of tokens.</summary>
    public ConcurrentQueue<CreateJoinToken> Wishes { get; } = new();

    public ConcurrentQueue<HostHelloCommand> Hellos { get; } = new();

    public ConcurrentQueue<(string Connection, HostInventory Inventory, IHostConnection Stream)> Attached { get; } = new();

    public ConcurrentQueue<HostSaying> Heard { get; } = new();

    public ConcurrentQueue<(string Connection, bool Goodbye)> Detached { get; } = new();

    /// <summary>Whether the host's grain knows the stream; false is what one on another silo says.</summary>
    public bool Knows { get; set; } = true;

    /// <summary>Thrown by the method of this name, as long as it gives something.</summary>
    public Func<string, Exception?> Fault { get; set; } = _ => null;

    public static MarionetteException NotFound() => new(FaultCode.NotFound, "There is no such thing.");

    public HostView AddHost(string pool, DateTimeOffset made) => Hosts.GetOrAdd(PoolKeys.OfHost(pool, EntityId.New(EntityId.Host, made)), key => new HostView
    {
        Id = PoolKeys.HostOf(key), Pool = pool, Status = HostStatus.Online, CreatedAt = made,
        Facts = new HostFacts { Name = "rack-7", Cpus = 16, Sandboxes = [new HostSandbox("bwrap", true, "", ["cpu"], true, true)] },
    });

    public IPoolGrain Pool(string name) => Fake<IPoolGrain>.Create((method, arguments) =>
    {
        if (Fault(method.Name) is { } fault) throw fault;
        switch (method.Name)
        {
            case nameof(IPoolGrain.GetAsync):
                return new ValueTask<PoolView>(new PoolView(name, Hosts.Count, 1, 2, 16, 4, 32_768, 8192, true));
            case nameof(IPoolGrain.ListHostsAsync):
                return new ValueTask<ImmutableArray<HostView>>([.. Hosts.Values.OrderBy(host => host.Id, StringComparer.Ordinal)]);
            case nameof(IPoolGrain.ListTokensAsync):
                return new ValueTask<ImmutableArray<JoinTokenView>>([.. Tokens.Values.OrderBy(token => token.Id, StringComparer.Ordinal)]);
            case nameof(IPoolGrain.RevokeTokenAsync):
                if (!Tokens.TryGetValue((string)arguments[0]!, out var known)) throw NotFound();
                return Task.FromResult(Tokens[known.Id] = known with { RevokedAt = Now });
            case nameof(IPoolGrain.CreateTokenAsync):
                var wish = (CreateJoinToken)arguments[0]!;
                Wishes.Enqueue(wish);
                var view = new JoinTokenView(EntityId.New(EntityId.JoinToken, Now), wish.Name, wish.Tenants, Now, wish.ExpiresAt, wish.MaxHosts, 0, null);
                Tokens[view.Id] = view;
                return Task.FromResult(new JoinTokenCreated(view, "mj_" + view.Id));
            default:
                throw new NotSupportedException(method.Name);
        }
    });

    public IHostGrain Host(string key) => Fake<IHostGrain>.Create((method, arguments) =>
    {
        if (Fault(method.Name) is { } fault) throw fault;
        return StreamCall(method, arguments) ?? OperatorCall(key, method, arguments);
    });

    private object? StreamCall(MethodInfo method, object?[] arguments)
    {
        switch (method.Name)
        {
            case nameof(IHostGrain.HelloAsync):
                Hellos.Enqueue((HostHelloCommand)arguments[0]!);
                return Task.CompletedTask;
            case nameof(IHostGrain.AttachAsync):
                Attached.Enqueue(((string)arguments[0]!, (HostInventory)arguments[1]!, (IHostConnection)arguments[2]!));
                Knows = true;
                return Task.CompletedTask;
            case nameof(IHostGrain.KnowsAsync):
                return new ValueTask<bool>(Knows);
            case nameof(IHostGrain.HeardAsync):
                Heard.Enqueue((HostSaying)arguments[1]!);
                return Task.CompletedTask;
            case nameof(IHostGrain.DetachAsync):
                Detached.Enqueue(((string)arguments[0]!, (bool)arguments[1]!));
                return Task.CompletedTask;
            default:
                return null;
        }
    }

    private object? OperatorCall(string key, MethodInfo method, object?[] arguments)
    {
        if (!Hosts.TryGetValue(key, out var host)) throw NotFound();
        switch (method.Name)
        {
            case nameof(IHostGrain.GetAsync):
                return new ValueTask<HostView>(host);
            case nameof(IHostGrain.DrainAsync):
                return Task.FromResult(Hosts[key] = host with { Draining = (bool)arguments[0]! });
            case nameof(IHostGrain.TaintAsync):
                return Task.FromResult(Hosts[key] = host with { Taint = (string?)arguments[0] });
            case nameof(IHostGrain.RemoveAsync):
                if (host.Runners > 0 && !(bool)arguments[0]!) throw new MarionetteException(FaultCode.Conflict, "It still has runners.");
                Hosts.TryRemove(key, out _);
                return Task.CompletedTask;
            default:
                throw new NotSupportedException(method.Name);
        }
    }
}

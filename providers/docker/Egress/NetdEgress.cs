using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Docker.DotNet.Models;

namespace Marionette.Providers.Docker;

/// <summary>
/// Runners reach what the helper lets through, and nothing else: their containers have no network of their own. The helper keeps nothing; when it
/// was started anew, everybody is attached again, and one whose policy this process does not know may reach Marionette alone until it is told.
/// </summary>
internal sealed class NetdEgress(Engine engine, ResourceNames names, Images images, DockerProviderOptions options, TimeProvider clock) : IEgress
{
    private static readonly TimeSpan Answer = TimeSpan.FromSeconds(15), Again = TimeSpan.FromSeconds(1);

    private const int KeptNotices = 1024;

    private readonly ConcurrentDictionary<string, (int Pid, EgressPolicy Policy)> _attached = new();
    private readonly ConcurrentDictionary<Channel<Blocked>, bool> _listeners = new();
    private readonly NetdHelper _helper = new(engine, names, images, options);
    private readonly SemaphoreSlim _connecting = new(1);
    private readonly CancellationTokenSource _life = new();
    private NetdLink? _link;

    public bool Controls => true;

    public string ServerUrl(string own) =>
        new Uri(own) is { Scheme: "http" } url ? new UriBuilder(url) { Host = AgentFiles.GatewayName }.Uri.ToString().TrimEnd('/') : own;

    public async Task AttachAsync(string container, int pid, EgressPolicy policy, CancellationToken cancellationToken)
    {
        // One that is attached already keeps its link and takes the policy.
        await AskAsync(Attach(container, pid, policy), cancellationToken);
        _attached[container] = (pid, policy);
    }

    public async Task DetachAsync(string container, CancellationToken cancellationToken)
    {
        _attached.TryRemove(container, out _);
        // Its network is gone with it: the helper sees that by itself, so this is a courtesy that must not hold up a release.
        if (_link is not { Ended.IsCompleted: false } link) return;
        try
        {
            using var limit = new CancellationTokenSource(Answer, clock);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
            await link.AskAsync(new NetdRequest(0, "detach", container), both.Token);
        }
        catch (Exception e) when (e is IOException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            // It has ended, and with it what was attached.
        }
    }

    public async IAsyncEnumerable<Blocked> BlockedAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var heard = Channel.CreateBounded<Blocked>(new BoundedChannelOptions(KeptNotices) { FullMode = BoundedChannelFullMode.DropOldest });
        _listeners[heard] = true;
        try
        {
            await foreach (var blocked in heard.Reader.ReadAllAsync(cancellationToken)) yield return blocked;
        }
        finally
        {
            _listeners.TryRemove(heard, out _);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _life.CancelAsync();
        Interlocked.Exchange(ref _link, null)?.Dispose();
    }

    private NetdRequest Attach(string container, int pid, EgressPolicy policy) =>
        new(0, "attach", container, pid, Mode(policy.Mode), policy.Allowed, Aliases());

    private static string Mode(EgressMode mode) => mode switch
    {
        EgressMode.Open => "open",
        EgressMode.AllowList => "allow_list",
        _ => "deny",
    };

    /// <summary>The operator's names, and the one of the gateway: its port may be another after a restart, so it is asked each time.</summary>
    private Dictionary<string, string> Aliases()
    {
        var aliases = new Dictionary<string, string>(options.Aliases);
        var gateway = new Uri(options.ServerUrl());
        aliases[gateway.Scheme == "http" ? AgentFiles.GatewayName : gateway.Host] = $"{gateway.Host}:{gateway.Port}";
        return aliases;
    }

    private async Task AskAsync(NetdRequest request, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(Answer, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            var link = await LinkAsync(both.Token);
            NetdLine answer;
            try
            {
                answer = await link.AskAsync(request, both.Token);
            }
            catch (IOException)
            {
                // It ended since the last call; the new one attaches everybody first.
                answer = await (await LinkAsync(both.Token)).AskAsync(request, both.Token);
            }

            if (!answer.Ok) throw new ProviderException(ProviderFault.Unavailable, $"The network helper refused to {request.Op} a runner: {answer.Error}");
        }
        catch (IOException e)
        {
            throw new ProviderException(
                ProviderFault.Unavailable, $"The network helper ended. It said: {await _helper.LastWordsAsync(cancellationToken)}", e);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ProviderException(ProviderFault.Ambiguous, $"The network helper did not answer within {Answer.TotalSeconds:0} s.", e);
        }
    }

    private async Task<NetdLink> LinkAsync(CancellationToken cancellationToken)
    {
        if (_link is { Ended.IsCompleted: false } good) return good;
        await _connecting.WaitAsync(cancellationToken);
        try
        {
            if (_link is { Ended.IsCompleted: false } another) return another;
            var (stream, fresh) = await _helper.ConnectAsync(clock, cancellationToken);
            var link = new NetdLink(stream, Heard);
            try
            {
                if (fresh) await AttachAllAsync(link, cancellationToken);
            }
            catch
            {
                link.Dispose();
                throw;
            }

            Interlocked.Exchange(ref _link, link)?.Dispose();
            _ = RestoreAsync(link);
            return link;
        }
        finally
        {
            _connecting.Release();
        }
    }

    private async Task AttachAllAsync(NetdLink link, CancellationToken cancellationToken)
    {
        var filters = new ContainersListParameters { Filters = names.Ours() };
        var running = await engine.GetAsync("list containers", token => engine.Client.Containers.ListContainersAsync(filters, token), cancellationToken);
        foreach (var container in running)
        {
            if (!container.Labels.TryGetValue(ResourceNames.Role, out var role) || role is not (ResourceNames.RunnerRole or ResourceNames.WarmRole)) continue;
            var found = await engine.FindAsync("look at a container", t => engine.Client.Containers.InspectContainerAsync(container.ID, t), cancellationToken);
            if (found is not { State.Running: true }) continue;
            var policy = _attached.TryGetValue(found.ID, out var known) ? known.Policy : new EgressPolicy(EgressMode.Deny, []);
            // One that is refused has ended meanwhile, or stays without a network: nothing that a policy forbids.
            await link.AskAsync(Attach(found.ID, (int)found.State.Pid, policy), cancellationToken);
            if (_attached.ContainsKey(found.ID)) _attached[found.ID] = ((int)found.State.Pid, policy);
        }
    }

    /// <summary>A helper that ended took everybody's network along: it is brought back before anybody asks.</summary>
    private async Task RestoreAsync(NetdLink link)
    {
        await link.Ended;
        while (!_life.IsCancellationRequested && ReferenceEquals(_link, link) && !_attached.IsEmpty)
        {
            try
            {
                await Task.Delay(Again, clock, _life.Token);
                using var limit = new CancellationTokenSource(options.CallTimeout, clock);
                using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, _life.Token);
                await LinkAsync(both.Token);
            }
            catch (Exception e) when (e is ProviderException or OperationCanceledException or IOException)
            {
                // The engine is away: asked again in a second.
            }
        }
    }

    private void Heard(NetdLine line)
    {
        if (line is not { Notice: "blocked", Key: { } key }) return;
        var blocked = new Blocked(key, line.Target ?? "", line.Port ?? 0, line.Protocol ?? "other", line.Reason ?? "not_listed", line.Count ?? 1);
        foreach (var listener in _listeners.Keys) listener.Writer.TryWrite(blocked);
    }
}

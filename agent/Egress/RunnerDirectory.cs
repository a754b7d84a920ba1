using System.Collections.Concurrent;
using Marionette.Agent.Egress.Namespaces;
using Marionette.Agent.Egress.Policy;
using Marionette.Agent.Hosting;

namespace Marionette.Agent.Egress;

/// <summary>The runners that have a way out, by their key. What is done to one key is done in the order asked.</summary>
internal sealed class RunnerDirectory(EgressServices services, NetdOutput output) : IAsyncDisposable
{
    // A link that a dead netd left goes some time after it; another netd that lives keeps its own.
    private static readonly TimeSpan OldLinkLimit = TimeSpan.FromSeconds(3);

    private readonly ConcurrentDictionary<string, EgressRunner> runners = new(StringComparer.Ordinal);

    public IReadOnlyList<string> Keys => [.. runners.Keys.Order(StringComparer.Ordinal)];

    /// <summary>Attaches a runner, or gives the one that is attached another policy.</summary>
    /// <exception cref="IOException">What is in the way.</exception>
    public async Task AttachAsync(string key, int pid, EgressPolicy policy)
    {
        using var space = NetNamespace.Open($"/proc/{pid}/ns/net");
        if (space.Identity == NetNamespace.HomeIdentity || space.Identity == NetNamespace.IdentityOf("/proc/1/ns/net"))
            throw new IOException($"process {pid} is in the machine's own network");
        if (runners.TryGetValue(key, out var present))
        {
            if (present.Identity == space.Identity && !present.Gone.IsCompleted)
            {
                present.Apply(policy);
                return;
            }

            await DetachAsync(key, "replaced").ConfigureAwait(false);
        }

        if (runners.FirstOrDefault(pair => pair.Value.Identity == space.Identity && !pair.Value.Gone.IsCompleted) is { Key: { } other })
            throw new IOException($"the namespace is that of {other}");
        await MakeAsync(key, space, policy).ConfigureAwait(false);
    }

    /// <exception cref="IOException">There is no such runner.</exception>
    public void Apply(string key, EgressPolicy policy)
    {
        if (!runners.TryGetValue(key, out var runner))
            throw new IOException("no such runner is attached");
        runner.Apply(policy);
    }

    /// <summary>Takes a runner's network away; nothing happens when it has none.</summary>
    public async Task DetachAsync(string key, string reason)
    {
        if (!runners.TryRemove(key, out var runner))
            return;
        await runner.DisposeAsync().ConfigureAwait(false);
        services.Log.EgressDetached(key, reason);
    }

    /// <summary>Tells the notices that are due.</summary>
    public void Flush()
    {
        foreach (var runner in runners.Values)
            runner.Flush();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var key in Keys)
            await DetachAsync(key, "netd ends").ConfigureAwait(false);
    }

    private async Task MakeAsync(string key, NetNamespace space, EgressPolicy policy)
    {
        var began = services.Clock.GetTimestamp();
        EgressRunner runner;
        while (true)
        {
            try
            {
                runner = EgressRunner.Attach(key, space, policy, (target, count) => Tell(key, target, count), services);
                break;
            }
            catch (NetlinkException exception)
                when (exception.Error == NetlinkException.Exists && services.Clock.GetElapsedTime(began) < OldLinkLimit)
            {
                await Task.Delay(20).ConfigureAwait(false);
            }
        }

        runners[key] = runner;
        _ = ForgetAsync(key, runner);
        services.Log.EgressAttached(key, (long)services.Clock.GetElapsedTime(began).TotalMilliseconds, runner.HasV6);
    }

    private async Task ForgetAsync(string key, EgressRunner runner)
    {
        await runner.Gone.ConfigureAwait(false);
        if (!runners.TryRemove(new KeyValuePair<string, EgressRunner>(key, runner)))
            return;
        await runner.DisposeAsync().ConfigureAwait(false);
        services.Log.EgressDetached(key, "its namespace is gone");
        output.TryNotice(new GoneNotice(key), NetdJsonContext.Default.GoneNotice);
    }

    private bool Tell(string key, BlockedTarget what, int count)
    {
        var reason = what.Reason switch
        {
            BlockedReason.NotListed => "not_listed",
            BlockedReason.Private => "private",
            BlockedReason.Metadata => "metadata",
            BlockedReason.NameMismatch => "name_mismatch",
            BlockedReason.Limit => "limit",
            BlockedReason.Others => "others",
            _ => "protocol",
        };
        return output.TryNotice(
            new BlockedNotice(key, what.Target, what.Port, what.Protocol, reason, count), NetdJsonContext.Default.BlockedNotice);
    }
}

namespace Marionette.Providers.Docker;

/// <summary>What stands between runners and the world.</summary>
internal interface IEgress : IAsyncDisposable
{
    /// <summary>Whether a policy is enforced at all.</summary>
    bool Controls { get; }

    /// <summary>The address that an agent in a runner calls, for the one that this process knows.</summary>
    string ServerUrl(string own);

    /// <summary>Gives a running container its network under a policy, or puts another policy in force. Twice is a success.</summary>
    /// <exception cref="ProviderException">It has no network, or the old policy stands.</exception>
    Task AttachAsync(string container, int pid, EgressPolicy policy, CancellationToken cancellationToken);

    /// <summary>A container has ended for good.</summary>
    Task DetachAsync(string container, CancellationToken cancellationToken);

    /// <summary>What policies held back, from now on until cancelled.</summary>
    IAsyncEnumerable<Blocked> BlockedAsync(CancellationToken cancellationToken);
}

/// <summary>Something that a policy held back.</summary>
/// <param name="Container">Id of the container.</param>
internal sealed record Blocked(string Container, string Target, int Port, string Protocol, string Reason, int Count);

/// <summary>Runners are on a Docker network of the operator's: nothing is enforced.</summary>
internal sealed class FreeEgress : IEgress
{
    public bool Controls => false;

    public string ServerUrl(string own) => own;

    public Task AttachAsync(string container, int pid, EgressPolicy policy, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task DetachAsync(string container, CancellationToken cancellationToken) => Task.CompletedTask;

    public IAsyncEnumerable<Blocked> BlockedAsync(CancellationToken cancellationToken) => AsyncEnumerable.Empty<Blocked>();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

using System.Collections.Immutable;
using Orleans.Concurrency;

namespace Marionette.Providers;

/// <summary>What this silo is configured with: the silos of a cluster are configured alike, so any of them answers.</summary>
[GrainType("provider-catalog"), StatelessWorker(1)]
internal sealed class ProviderCatalogGrain(IEnumerable<IRunnerProvider> providers) : Grain, IProviderCatalogGrain
{
    private readonly ImmutableArray<string> _names = NamesOf(providers);
    private readonly ImmutableArray<string> _pools = NamesOf(providers.Where(provider => provider.Capabilities.IsPool));

    public ValueTask<ImmutableArray<string>> GetNamesAsync(CancellationToken cancellationToken) => ValueTask.FromResult(_names);

    public ValueTask<ImmutableArray<string>> GetPoolsAsync(CancellationToken cancellationToken) => ValueTask.FromResult(_pools);

    private static ImmutableArray<string> NamesOf(IEnumerable<IRunnerProvider> some) => [.. some.Select(provider => provider.Name).Distinct().Order(StringComparer.Ordinal)];
}

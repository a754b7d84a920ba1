using System.Collections.Immutable;

namespace Marionette.Providers;

/// <summary>Which providers the silos are configured with. Key: <see cref="Id"/>.</summary>
[Alias("mn.provider-catalog.v1"), GrainInterfaceType("mn.provider-catalog")]
public interface IProviderCatalogGrain : IGrainWithStringKey
{
    /// <summary>The only key.</summary>
    const string Id = "all";

    /// <summary>Names of the providers, which are the keys of their grains, in order.</summary>
    [Alias("names")] ValueTask<ImmutableArray<string>> GetNamesAsync(CancellationToken cancellationToken = default);

    /// <summary>Names of those that are pools of hosts, which are the keys of their grains, in order.</summary>
    [Alias("pools")] ValueTask<ImmutableArray<string>> GetPoolsAsync(CancellationToken cancellationToken = default);
}

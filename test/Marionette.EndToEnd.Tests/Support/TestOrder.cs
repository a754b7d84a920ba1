using Marionette.EndToEnd.Tests.Behaviour;
using Xunit.Sdk;
using Xunit.v3;

namespace Marionette.EndToEnd.Tests.Support;

/// <summary>The tests that measure: nothing else runs beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class AloneCollection
{
    public const string Name = "alone";
}

/// <summary>The shared stack's tests are one long row and begin at once; whatever else there is runs beside them.</summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection =>
        [.. testCollections.OrderBy(collection => collection.TestCollectionDisplayName == BehaviourCollection.Name ? 0 : 1)];
}

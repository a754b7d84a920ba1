using Marionette.Adapters.Tests.Adapters;
using Xunit.Sdk;
using Xunit.v3;

[assembly: TestCollectionOrderer(typeof(Marionette.Adapters.Tests.Kit.LongestFirst))]

namespace Marionette.Adapters.Tests.Kit;

/// <summary>The agents that take longest to start begin at once; the quick ones fill what is left beside them.</summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    private static readonly Type[] Slow = [typeof(OpenCodeTests), typeof(CodexTests), typeof(ClaudeTests), typeof(ClaudeAcpTests)];

    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection =>
        [.. testCollections.OrderBy(collection => Place(collection.TestCollectionDisplayName))];

    // A class that is in no collection of a name is one of its own, whose name ends in the class's.
    private static int Place(string name)
    {
        var place = Array.FindIndex(Slow, slow => name.EndsWith(slow.FullName!, StringComparison.Ordinal));
        return place < 0 ? Slow.Length : place;
    }
}

using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>One running stack for all tests that do not break it. Each test has sessions of its own.</summary>
public sealed class SharedStack : IAsyncLifetime
{
    internal Stack Stack { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Stack = await Stack.StartAsync();

    public async ValueTask DisposeAsync()
    {
        if (Stack is not null) await Stack.DisposeAsync();
    }
}

/// <summary>The tests that share it.</summary>
[CollectionDefinition(Name)]
public sealed class BehaviourCollection : ICollectionFixture<SharedStack>
{
    public const string Name = "behaviour";
}

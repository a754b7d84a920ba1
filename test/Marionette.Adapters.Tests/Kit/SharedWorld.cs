namespace Marionette.Adapters.Tests.Kit;

/// <summary>
/// The worlds of those tests of an adapter that leave them as they found them, one for each permission mode: starting an agent is the
/// dearest part of most tests, some agents take seconds of CPU for it. Each test begins a conversation of its own in an empty workspace.
/// </summary>
public sealed class SharedWorld : IAsyncDisposable
{
    private readonly Dictionary<string, AdapterWorld> worlds = new(StringComparer.Ordinal);

    /// <summary>The world for the next test.</summary>
    internal async Task<AdapterWorld> TakeAsync(Adapter adapter, string mode)
    {
        if (!worlds.TryGetValue(mode, out var world))
            worlds[mode] = world = await AdapterWorld.StartAsync(adapter, setup => setup.PermissionMode = mode);
        world.BeginTest();
        return world;
    }

    /// <summary>After a test that failed: nobody knows in what state it left them.</summary>
    public async ValueTask DropAsync()
    {
        foreach (var world in worlds.Values)
            await world.DisposeAsync();
        worlds.Clear();
    }

    public ValueTask DisposeAsync() => DropAsync();
}

namespace Marionette.Gateway.Grpc;

/// <summary>Keys of runners as agents and hosts send them.</summary>
internal static class RunnerKey
{
    /// <summary>Whether the text is <c>tenant/run_…</c>.</summary>
    public static bool Is(string key)
    {
        var slash = key.IndexOf('/', StringComparison.Ordinal);
        return slash > 0 && GrainKeys.IsTenant(key[..slash]) && EntityId.Is(EntityId.Runner, key[(slash + 1)..]);
    }
}

namespace Marionette.Pools;

/// <summary>Keys of pools and hosts. A pool's key is its name, which is its provider's name too; a host's is <c>pool/host_…</c>.</summary>
public static class PoolKeys
{
    /// <summary>The key of a host's grain.</summary>
    public static string OfHost(string pool, string host) => $"{pool}/{host}";

    /// <summary>The pool of a host's key.</summary>
    public static string PoolOf(string key) => key[..key.IndexOf('/')];

    /// <summary>The id of a host's key.</summary>
    public static string HostOf(string key) => key[(key.IndexOf('/') + 1)..];

    /// <summary>Names that no pool may have, because other providers have them.</summary>
    public static readonly IReadOnlySet<string> Reserved = new HashSet<string>(StringComparer.Ordinal) { "process", "docker", "all" };

    /// <summary>Whether the text can name a pool: 1 to 40 characters of [a-z0-9-], starting with a letter or a digit, and not another provider's name.</summary>
    public static bool IsPool(string? name) => GrainKeys.IsTenant(name) && !Reserved.Contains(name!);
}

using System.Collections.Immutable;
using Marionette.Gateway.Secrets;
using Marionette.Workspaces;
using Marionette.Workspaces.Kms;

namespace Marionette.Gateway.Workspaces;

/// <summary>What tenants' keys of the chunk store are wrapped with: the first key wraps, all of them open.</summary>
public sealed record ChunkKeys
{
    private const string Local = "local";

    private ChunkKeys(ImmutableArray<KmsKey?> keys) => Keys = keys;

    /// <summary>The installation's master key alone.</summary>
    public static ChunkKeys OfMaster { get; } = new([null]);

    /// <summary>In order; null stands for the installation's master key.</summary>
    internal ImmutableArray<KmsKey?> Keys { get; }

    /// <summary>Reads the options <c>--chunk-key</c> and those that begin with it; null and empty texts are options that were not given.</summary>
    /// <param name="keys"><c>aws-kms:KEY</c> and <c>local</c> (the installation's master key), with commas between. The master key opens always, last where it is not named.</param>
    /// <param name="endpoint">Address of a key service that is not AWS's.</param>
    /// <param name="region">The key service's.</param>
    /// <exception cref="FormatException">What is wrong and with which option, in one line.</exception>
    public static ChunkKeys Parse(string? keys, string? endpoint, string? region)
    {
        var names = (keys ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (!names.Any(KmsKey.Is) && (endpoint ?? region) is { Length: > 0 })
            throw new FormatException("--chunk-key-endpoint and --chunk-key-region belong to --chunk-key aws-kms:KEY.");
        if (names.Distinct(StringComparer.Ordinal).Count() != names.Length) throw new FormatException("--chunk-key names a key twice.");
        var parsed = ImmutableArray.CreateBuilder<KmsKey?>();
        foreach (var name in names)
        {
            if (name != Local && !KmsKey.Is(name)) throw new FormatException($"--chunk-key: \"{name}\" is neither local nor aws-kms:KEY.");
            try
            {
                parsed.Add(name == Local ? null : KmsKey.Parse(name, endpoint, region));
            }
            catch (FormatException e)
            {
                throw new FormatException($"--chunk-key: {e.Message}", e);
            }
        }

        if (!parsed.Contains(null)) parsed.Add(null);
        return new ChunkKeys(parsed.ToImmutable());
    }

    /// <summary>
    /// Asks the key that wraps whether it can be used: better told at the start than by the first tenant. Those that only open may have no right to wrap; that they have
    /// a region and credentials is seen, too.
    /// </summary>
    /// <exception cref="IOException">It cannot be used; one line that names it.</exception>
    public async Task PrepareAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            foreach (var one in Keys.OfType<KmsKey>())
            {
                using var key = new KmsMasterKey(one);
                if (one == Keys[0]) await key.ProbeAsync(cancellationToken);
            }
        }
        catch (WorkspaceException e)
        {
            throw new IOException(e.Message, e);
        }
    }

    /// <summary>The keys themselves; whoever asks disposes of those that can be.</summary>
    internal IReadOnlyList<IMasterKey> Open(MasterKey master) => [.. Keys.Select(key => key is null ? new LocalMasterKey(master.Bytes) : (IMasterKey)new KmsMasterKey(key))];
}

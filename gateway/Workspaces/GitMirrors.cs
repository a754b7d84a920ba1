using System.Security.Cryptography;
using System.Text;
using Marionette.Workspaces;

namespace Marionette.Gateway.Workspaces;

/// <summary>
/// The mirrors of the git repositories that a tenant's workspaces are cloned from: snapshots in its part of the chunk store. A mirror is shown to whoever names the
/// credential that it was made with, and to nobody else: the code host alone can say what another credential may read.
/// </summary>
internal sealed class GitMirrors(ChunkStores stores, GitMirrorTable table, GatewayOptions options)
{
    /// <summary>Smaller clones are quick anyway.</summary>
    public const long LeastBytes = 1 << 20;

    /// <summary>Mirrors take at most one part in so many of what a tenant may store.</summary>
    private const int ShareOfRoom = 4;

    /// <summary>The mirror for a clone.</summary>
    /// <returns>Null: there is none, or it cannot be opened and is forgotten.</returns>
    public async Task<(SnapshotRecord Record, KeyGeneration Key)?> OpenAsync(string tenant, MirrorKey key, CancellationToken cancellationToken)
    {
        if (options.Keeping.MirrorBytes == 0 || await table.AskAsync(tenant, key, cancellationToken) is not { } snapshot) return null;
        try
        {
            return await stores.Of(tenant).FindAsync(snapshot, cancellationToken);
        }
        catch (WorkspaceException fault) when (fault.Fault is WorkspaceFault.Missing or WorkspaceFault.Corrupt or WorkspaceFault.WrongKey)
        {
            await DropAsync(tenant, key, snapshot, cancellationToken);
            return null;
        }
    }

    /// <summary>Whether what a clone has fetched is wanted; who hears yes is waited for.</summary>
    /// <param name="bytes">Of its packs.</param>
    /// <param name="fetched">So many of them came from the server.</param>
    public async Task<bool> OfferAsync(string tenant, MirrorKey key, long bytes, long fetched, CancellationToken cancellationToken)
    {
        if (bytes < LeastBytes || bytes > options.Keeping.MirrorBytes) return false;
        long? room = options.Keeping.TenantBytes > 0 ? options.Keeping.TenantBytes / ShareOfRoom : null;
        return await table.OfferAsync(tenant, key, bytes, fetched, room, cancellationToken);
    }

    /// <summary>Makes a stored snapshot the mirror.</summary>
    /// <returns>False: nobody waits for it, and its record is gone again.</returns>
    /// <exception cref="WorkspaceException">As <see cref="TenantSnapshots.RecordAsync"/>.</exception>
    public async Task<bool> RecordAsync(string tenant, MirrorKey key, SnapshotRecord record, CancellationToken cancellationToken)
    {
        var snapshots = stores.SnapshotsOf(tenant);
        await snapshots.RecordAsync(record, cancellationToken);
        if (record.Bytes <= options.Keeping.MirrorBytes && await table.SetAsync(tenant, key, record.Id, record.Bytes, cancellationToken)) return true;
        await snapshots.ForgetAsync(record.Id, CancellationToken.None);
        return false;
    }

    /// <summary>Forgets a mirror, with its snapshot; another one stays.</summary>
    public async Task DropAsync(string tenant, MirrorKey key, string snapshot, CancellationToken cancellationToken)
    {
        if (await table.DropAsync(tenant, key, snapshot, cancellationToken)) await stores.SnapshotsOf(tenant).ForgetAsync(snapshot, CancellationToken.None);
    }

    /// <summary>What a mirror is known by. With the tenant's next generation of keys all mirrors are new.</summary>
    /// <param name="url">http or https.</param>
    public async Task<MirrorKey> KeyAsync(string tenant, Uri url, int depth, string filter, string user, string secret, CancellationToken cancellationToken)
    {
        // Scheme and host in small letters and no port where it is the usual one.
        var name = $"git mirror\n{url.AbsoluteUri.TrimEnd('/')}\n{depth}\n{filter}";
        var key = (await stores.Of(tenant).CurrentKeyAsync(cancellationToken)).ConvergenceBytes;
        return new MirrorKey(Hash(name), Hash($"{name}\n{user}\n{secret}"));

        byte[] Hash(string text) => HMACSHA256.HashData(key.Span, Encoding.UTF8.GetBytes(text));
    }
}

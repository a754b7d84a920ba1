using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Marionette.Workspaces;

/// <summary>
/// The wrapped keys of one tenant in its part of a store, objects <c>keys/00000001</c> and on; the highest number holds. A change puts the next number, so two changes at once cannot
/// both win. Deleting all of them shreds the tenant: nothing that it stored can ever be opened again.
/// </summary>
/// <param name="tenant">Bound to the wrapped keys: another tenant's envelope does not open here.</param>
/// <param name="masters">The first one wraps; the others only open what was wrapped before.</param>
public sealed class KeyRing(IBlobStore store, string tenant, IReadOnlyList<IMasterKey> masters)
{
    private const int Limit = 1024 * 1024, HeaderSize = 8;

    private static ReadOnlySpan<byte> Magic => "MWKE\u0001\0\0\0"u8;

    /// <summary>Makes keys for a new tenant, or opens those that it has.</summary>
    public async Task<TenantKeys> OpenOrCreateAsync(CancellationToken cancellationToken)
    {
        if (await ReadAsync(cancellationToken).ConfigureAwait(false) is { } found)
            return found.Keys;
        var keys = TenantKeys.New();
        // Another may have been first: then theirs are the tenant's keys.
        return await PutAsync(1, keys, cancellationToken).ConfigureAwait(false) ? keys : await OpenAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Opens the tenant's keys.</summary>
    /// <exception cref="WorkspaceException">Missing: the tenant has none, or was shredded. WrongKey, Corrupt, UnsupportedVersion.</exception>
    public async Task<TenantKeys> OpenAsync(CancellationToken cancellationToken) =>
        (await ReadAsync(cancellationToken).ConfigureAwait(false))?.Keys ?? throw WorkspaceException.Missing($"Tenant {tenant} has no keys here: it was never set up, or it was shredded.");

    /// <summary>Wraps the tenant's keys under the first master key. What was sealed stays as it is.</summary>
    public Task<TenantKeys> RewrapAsync(CancellationToken cancellationToken) => ChangeAsync(keys => keys, cancellationToken);

    /// <summary>The same for keys that another master key wraps; others stay as they are.</summary>
    /// <returns>Whether they were under another one.</returns>
    /// <exception cref="WorkspaceException">Missing: the tenant has none. WrongKey, Corrupt, UnsupportedVersion; Busy: changed by someone else at the same time.</exception>
    public async Task<bool> RewrapWhereNeededAsync(CancellationToken cancellationToken)
    {
        var found = await ReadAsync(cancellationToken).ConfigureAwait(false) ?? throw WorkspaceException.Missing($"Tenant {tenant} has no keys here.");
        if (found.Master == masters[0].Id)
        {
            // A change that broke off has left the older ones, and an older master key still opens them.
            await DeleteBeforeAsync(found.Number, cancellationToken).ConfigureAwait(false);
            return false;
        }

        await RewrapAsync(cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>A new generation for what comes; older ones stay readable. New content is not shared with what older ones stored.</summary>
    public Task<TenantKeys> RotateAsync(CancellationToken cancellationToken) => ChangeAsync(keys => keys.WithNewGeneration(), cancellationToken);

    /// <summary>Deletes the tenant's keys, for ever.</summary>
    public async Task ShredAsync(CancellationToken cancellationToken)
    {
        await foreach (var info in store.ListAsync(StoreNames.Keys, cancellationToken).ConfigureAwait(false))
            await store.DeleteAsync(info.Name, cancellationToken).ConfigureAwait(false);
    }

    private async Task<TenantKeys> ChangeAsync(Func<TenantKeys, TenantKeys> change, CancellationToken cancellationToken)
    {
        var found = await ReadAsync(cancellationToken).ConfigureAwait(false) ?? throw WorkspaceException.Missing($"Tenant {tenant} has no keys here.");
        var keys = change(found.Keys);
        if (!await PutAsync(found.Number + 1, keys, cancellationToken).ConfigureAwait(false))
            throw new WorkspaceException(WorkspaceFault.Busy, $"The keys of tenant {tenant} were changed by someone else at the same time.");
        await DeleteBeforeAsync(found.Number + 1, cancellationToken).ConfigureAwait(false);
        return keys;
    }

    private async Task DeleteBeforeAsync(int number, CancellationToken cancellationToken)
    {
        for (var old = 1; old < number; old++)
            await store.DeleteAsync(Name(old), cancellationToken).ConfigureAwait(false);
    }

    private static string Name(int number) => $"{StoreNames.Keys}{number:00000000}";

    private async Task<(int Number, TenantKeys Keys, string Master)?> ReadAsync(CancellationToken cancellationToken)
    {
        // A change between the list and the read deletes what the list said: then there is a newer one.
        for (var attempt = 0; attempt < 8; attempt++)
        {
            var newest = 0;
            await foreach (var info in store.ListAsync(StoreNames.Keys, cancellationToken).ConfigureAwait(false))
                if (int.TryParse(StoreNames.Last(info.Name), out var number))
                    newest = Math.Max(newest, number);
            if (newest == 0)
                return null;
            if (await store.ReadWholeAsync(Name(newest), Limit, cancellationToken).ConfigureAwait(false) is { } envelope)
            {
                var (keys, master) = await UnwrapAsync(envelope, newest, cancellationToken).ConfigureAwait(false);
                return (newest, keys, master);
            }
        }

        throw new WorkspaceException(WorkspaceFault.Busy, $"The keys of tenant {tenant} change all the time.");
    }

    private byte[] Context(int number) => Encoding.UTF8.GetBytes($"marionette.workspace.v1 tenant keys {number} {tenant}");

    private async Task<bool> PutAsync(int number, TenantKeys keys, CancellationToken cancellationToken)
    {
        var plain = new byte[keys.Generations.Count * KeyGeneration.StoredSize];
        for (var i = 0; i < keys.Generations.Count; i++)
            keys.Generations[i].Write(plain.AsSpan(i * KeyGeneration.StoredSize));
        var wrapped = await masters[0].WrapAsync(plain, Context(number), cancellationToken).ConfigureAwait(false);
        CryptographicOperations.ZeroMemory(plain);
        var id = Encoding.UTF8.GetBytes(masters[0].Id);
        var envelope = new byte[HeaderSize + 4 + id.Length + wrapped.Length];
        Magic.CopyTo(envelope);
        BinaryPrimitives.WriteInt32LittleEndian(envelope.AsSpan(HeaderSize), id.Length);
        id.CopyTo(envelope, HeaderSize + 4);
        wrapped.CopyTo(envelope, HeaderSize + 4 + id.Length);
        return await store.PutAsync(Name(number), envelope, BlobPut.IfAbsent, cancellationToken).ConfigureAwait(false);
    }

    private async Task<(TenantKeys Keys, string Master)> UnwrapAsync(byte[] envelope, int number, CancellationToken cancellationToken)
    {
        var what = $"The wrapped keys {number} of tenant {tenant}";
        FormatCheck.Header(envelope, Magic, what);
        var length = envelope.Length < HeaderSize + 4 ? -1 : BinaryPrimitives.ReadInt32LittleEndian(envelope.AsSpan(HeaderSize));
        if (length is < 0 or > 1024 || length > envelope.Length - HeaderSize - 4)
            throw WorkspaceException.Corrupt($"{what} are cut off.");
        var id = Encoding.UTF8.GetString(envelope, HeaderSize + 4, length);
        var master = masters.FirstOrDefault(key => key.Id == id)
            ?? throw new WorkspaceException(WorkspaceFault.WrongKey, $"{what} were wrapped under master key {id}; at hand: {string.Join(", ", masters.Select(key => key.Id))}.");
        var plain = await master.UnwrapAsync(envelope.AsMemory(HeaderSize + 4 + length), Context(number), cancellationToken).ConfigureAwait(false);
        if (plain.Length == 0 || plain.Length % KeyGeneration.StoredSize != 0)
            throw WorkspaceException.Corrupt($"{what} have an impossible length.");
        var keys = new TenantKeys(Enumerable.Range(0, plain.Length / KeyGeneration.StoredSize).Select(i => KeyGeneration.Read(plain.AsSpan(i * KeyGeneration.StoredSize))));
        CryptographicOperations.ZeroMemory(plain);
        return (keys, id);
    }
}

namespace Marionette.Workspaces;

/// <summary>What a pack says of itself.</summary>
internal static class PackReader
{
    /// <summary>Reads the list at a pack's end.</summary>
    /// <exception cref="WorkspaceException">Missing, Corrupt.</exception>
    public static async Task<PackContents> ReadListAsync(IBlobStore store, string pack, CancellationToken cancellationToken)
    {
        var name = StoreNames.Pack(pack);
        var length = (await store.FindAsync(name, cancellationToken).ConfigureAwait(false) ?? throw WorkspaceException.Missing($"Pack {pack} is not in the store.")).Length;
        if (length < PackFormat.HeaderSize + PackFormat.TrailerSize)
            throw WorkspaceException.Corrupt($"Pack {pack} is cut off: {length} bytes.");
        var trailer = await store.ReadAllAsync(name, length - PackFormat.TrailerSize, PackFormat.TrailerSize, cancellationToken).ConfigureAwait(false);
        var count = PackFormat.ReadTrailer(pack, trailer, length);
        var size = count * PackFormat.EntrySize;
        var list = await store.ReadAllAsync(name, length - PackFormat.TrailerSize - size, size, cancellationToken).ConfigureAwait(false);
        return PackFormat.ReadFooter(pack, list, trailer, length);
    }

    public static async Task<byte[]> ReadAllAsync(this IBlobStore store, string name, long offset, int length, CancellationToken cancellationToken)
    {
        var bytes = GC.AllocateUninitializedArray<byte>(length);
        await store.ReadExactlyAsync(name, offset, bytes, cancellationToken).ConfigureAwait(false);
        return bytes;
    }

    public static async ValueTask ReadExactlyAsync(this IBlobStore store, string name, long offset, Memory<byte> target, CancellationToken cancellationToken)
    {
        for (var read = 0; read < target.Length;)
        {
            var count = await store.ReadAsync(name, offset + read, target[read..], cancellationToken).ConfigureAwait(false);
            if (count == 0)
                throw WorkspaceException.Corrupt($"{name} is cut off: it ends before byte {offset + target.Length}.");
            read += count;
        }
    }

    /// <summary>A whole small object.</summary>
    public static async Task<byte[]?> ReadWholeAsync(this IBlobStore store, string name, int limit, CancellationToken cancellationToken)
    {
        if (await store.FindAsync(name, cancellationToken).ConfigureAwait(false) is not { } info)
            return null;
        if (info.Length > limit)
            throw WorkspaceException.Corrupt($"{name} has {info.Length} bytes, more than such an object can have.");
        try
        {
            return await store.ReadAllAsync(name, 0, (int)info.Length, cancellationToken).ConfigureAwait(false);
        }
        catch (WorkspaceException missing) when (missing.Fault == WorkspaceFault.Missing)
        {
            return null; // deleted in between
        }
    }
}

using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Marionette.Workspaces;

/// <summary>
/// Packs that a collection will delete. From the moment in which this is written no new snapshot relies on them; those under way at that moment are named in a second object,
/// and the packs wait until these have ended.
/// </summary>
internal sealed record CondemnedPacks(string Name, DateTimeOffset Since, IReadOnlyList<string> Packs)
{
    private const int HeaderSize = 8 + 8 + 4, NameSize = 32, SumSize = 16, Limit = 64 * 1024 * 1024;
    private const string LeasesEnding = ".leases";

    private static ReadOnlySpan<byte> Magic => "MWCD\u0001\0\0\0"u8;

    public static async Task<IReadOnlySet<string>> ReadNamesAsync(IBlobStore store, CancellationToken cancellationToken) =>
        (await ReadAllAsync(store, cancellationToken).ConfigureAwait(false)).SelectMany(condemned => condemned.Packs).ToHashSet(StringComparer.Ordinal);

    public static async Task<List<CondemnedPacks>> ReadAllAsync(IBlobStore store, CancellationToken cancellationToken)
    {
        var all = new List<CondemnedPacks>();
        await foreach (var info in store.ListAsync(StoreNames.Condemned, cancellationToken).ConfigureAwait(false))
            if (!info.Name.EndsWith(LeasesEnding, StringComparison.Ordinal) && await store.ReadWholeAsync(info.Name, Limit, cancellationToken).ConfigureAwait(false) is { } content)
                all.Add(Read(info.Name, content));
        return all;
    }

    public static async Task<CondemnedPacks> PutAsync(IBlobStore store, IReadOnlyList<string> packs, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var condemned = new CondemnedPacks(StoreNames.Condemned + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(10)), now, packs);
        await store.PutAsync(condemned.Name, condemned.Write(), BlobPut.IfAbsent, cancellationToken).ConfigureAwait(false);
        return condemned;
    }

    /// <summary>The snapshots that were under way when these packs were condemned; noted now when nobody has noted them.</summary>
    public async Task<IReadOnlyList<string>> LeasesAsync(IBlobStore store, CancellationToken cancellationToken)
    {
        var name = Name + LeasesEnding;
        if (await store.ReadWholeAsync(name, Limit, cancellationToken).ConfigureAwait(false) is not { } content)
        {
            var leases = new List<string>();
            await foreach (var info in store.ListAsync(StoreNames.Leases, cancellationToken).ConfigureAwait(false))
                if (info.Name.StartsWith(UploadLease.Prefix, StringComparison.Ordinal) && !info.Name.EndsWith(UploadLease.Fence, StringComparison.Ordinal))
                    leases.Add(info.Name);
            content = Encoding.UTF8.GetBytes(string.Join('\n', leases));
            if (!await store.PutAsync(name, content, BlobPut.IfAbsent, cancellationToken).ConfigureAwait(false))
                content = await store.ReadWholeAsync(name, Limit, cancellationToken).ConfigureAwait(false) ?? content;
        }

        return Encoding.UTF8.GetString(content).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    public async Task DeleteAsync(IBlobStore store, CancellationToken cancellationToken)
    {
        // The names last: without the leases it would only wait longer.
        await store.DeleteAsync(Name + LeasesEnding, cancellationToken).ConfigureAwait(false);
        await store.DeleteAsync(Name, cancellationToken).ConfigureAwait(false);
    }

    private byte[] Write()
    {
        var content = new byte[HeaderSize + (Packs.Count * NameSize) + SumSize];
        Magic.CopyTo(content);
        BinaryPrimitives.WriteInt64LittleEndian(content.AsSpan(8), Since.ToUnixTimeMilliseconds());
        BinaryPrimitives.WriteInt32LittleEndian(content.AsSpan(16), Packs.Count);
        for (var i = 0; i < Packs.Count; i++)
            Convert.FromHexString(Packs[i]).CopyTo(content, HeaderSize + (i * NameSize));
        Keyed.Plain(content.AsSpan(0, content.Length - SumSize), content.AsSpan(content.Length - SumSize));
        return content;
    }

    private static CondemnedPacks Read(string name, byte[] content)
    {
        FormatCheck.Header(content, Magic, name);
        Span<byte> sum = stackalloc byte[SumSize];
        Keyed.Plain(content.AsSpan(0, Math.Max(content.Length - SumSize, 0)), sum);
        if (content.Length < HeaderSize + SumSize || !sum.SequenceEqual(content.AsSpan(content.Length - SumSize)))
            throw WorkspaceException.Corrupt($"{name} was changed.");
        var count = BinaryPrimitives.ReadInt32LittleEndian(content.AsSpan(16));
        if (count != (content.Length - HeaderSize - SumSize) / NameSize)
            throw WorkspaceException.Corrupt($"{name} says something impossible.");
        var since = DateTimeOffset.FromUnixTimeMilliseconds(BinaryPrimitives.ReadInt64LittleEndian(content.AsSpan(8)));
        return new CondemnedPacks(name, since, [.. Enumerable.Range(0, count).Select(i => Convert.ToHexStringLower(content.AsSpan(HeaderSize + (i * NameSize), NameSize)))]);
    }
}

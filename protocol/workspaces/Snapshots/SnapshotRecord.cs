using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Marionette.Workspaces;

/// <summary>A snapshot of the store.</summary>
public sealed record SnapshotRecord
{
    /// <summary><c>snap_</c> and 32 digits; sorts by time.</summary>
    public required string Id { get; init; }

    /// <summary>Opens the whole snapshot. Secret.</summary>
    public required ChunkRef Root { get; init; }

    /// <summary>When it was made, by the clock of who made it.</summary>
    public required DateTimeOffset Created { get; init; }

    /// <summary>The snapshot before; empty: none.</summary>
    public string Parent { get; init; } = "";

    /// <summary>Files.</summary>
    public long Files { get; init; }

    /// <summary>Folders, the root included.</summary>
    public long Directories { get; init; }

    /// <summary>Symbolic links.</summary>
    public long Links { get; init; }

    /// <summary>Sum of the files' sizes.</summary>
    public long Bytes { get; init; }

    /// <summary>For people.</summary>
    public string Label { get; init; } = "";

    /// <summary>The generation of the tenant's keys that it was sealed under.</summary>
    public int Generation { get; init; }
}

/// <summary>
/// The snapshots of a tenant: objects <c>snapshots/&lt;id&gt;</c>, sealed under the tenant's record key and bound to their name. A record is written when everything that it needs is stored.
/// </summary>
public sealed class SnapshotCatalog(IBlobStore store, TenantKeys keys)
{
    private static readonly System.Buffers.SearchValues<char> Digits = System.Buffers.SearchValues.Create("0123456789abcdef");

    private const int HeaderSize = 8 + 4, Limit = 64 * 1024, MaxText = 4096;

    private static ReadOnlySpan<byte> Magic => "MWSN\u0001\0\0\0"u8;

    /// <summary>A new id: ids sort by the time at which they were made.</summary>
    public static string NewId(DateTimeOffset now) => $"snap_{now.ToUnixTimeMilliseconds():x12}{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(10))}";

    /// <summary>Whether a text can be a snapshot's id.</summary>
    public static bool IsId(string text) => text.Length == 5 + 32 && text.StartsWith("snap_", StringComparison.Ordinal) && text.AsSpan(5).IndexOfAnyExcept(Digits) < 0;

    /// <summary>Writes a record. The caller has stored everything that it needs.</summary>
    public async Task PutAsync(SnapshotRecord record, CancellationToken cancellationToken)
    {
        var writer = new ByteWriter();
        writer.Reference(record.Root);
        writer.Fixed(record.Created.ToUnixTimeMilliseconds());
        foreach (var count in new[] { record.Files, record.Directories, record.Links, record.Bytes })
            writer.Number((ulong)count);
        writer.Counted(Encoding.UTF8.GetBytes(record.Parent));
        writer.Counted(Encoding.UTF8.GetBytes(record.Label));
        var key = keys.Current;
        var content = new byte[HeaderSize + writer.Length + ChunkFormat.Overhead];
        Magic.CopyTo(content);
        BinaryPrimitives.WriteInt32LittleEndian(content.AsSpan(8), key.Number);
        ChunkFormat.Seal(key.Record, Associated(content, record.Id), writer.Written, content.AsSpan(HeaderSize));
        await store.PutAsync(Name(record.Id), content, BlobPut.IfAbsent, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads a record.</summary>
    /// <exception cref="WorkspaceException">Missing, Corrupt, WrongKey, UnsupportedVersion.</exception>
    public async Task<SnapshotRecord> GetAsync(string id, CancellationToken cancellationToken)
    {
        var content = IsId(id) ? await store.ReadWholeAsync(Name(id), Limit, cancellationToken).ConfigureAwait(false) : null;
        return Read(id, content ?? throw WorkspaceException.Missing($"There is no snapshot {id}."));
    }

    /// <summary>All ids, oldest first.</summary>
    public async Task<IReadOnlyList<string>> ListAsync(CancellationToken cancellationToken)
    {
        var ids = new List<string>();
        await foreach (var info in store.ListAsync(StoreNames.Snapshots, cancellationToken).ConfigureAwait(false))
            ids.Add(StoreNames.Last(info.Name));
        ids.Sort(StringComparer.Ordinal);
        return ids;
    }

    /// <summary>Deletes a record; what only it needed is collected later. Absent is success.</summary>
    public ValueTask DeleteAsync(string id, CancellationToken cancellationToken) => store.DeleteAsync(Name(id), cancellationToken);

    internal static string Name(string id) => StoreNames.Snapshots + id;

    private static byte[] Associated(byte[] content, string id) => [.. content.AsSpan(0, HeaderSize), .. Encoding.UTF8.GetBytes(id)];

    private SnapshotRecord Read(string id, byte[] content)
    {
        var what = $"Snapshot {id}";
        FormatCheck.Header(content, Magic, what);
        if (content.Length < HeaderSize + ChunkFormat.Overhead)
            throw WorkspaceException.Corrupt($"{what} is cut off.");
        var number = BinaryPrimitives.ReadInt32LittleEndian(content.AsSpan(8));
        var key = keys.Find(number) ?? throw new WorkspaceException(WorkspaceFault.WrongKey, $"{what} was sealed under generation {number} of the tenant's keys, which is not at hand.");
        var plain = new byte[content.Length - HeaderSize - ChunkFormat.Overhead];
        if (!ChunkFormat.Open(key.Record, Associated(content, id), content.AsSpan(HeaderSize), plain))
            throw WorkspaceException.Corrupt($"{what} does not open: its bytes were changed, it is another snapshot under this name, or another tenant's.");
        var reader = new ByteReader(plain, what);
        var record = new SnapshotRecord { Id = id, Generation = number, Root = reader.Reference(), Created = DateTimeOffset.FromUnixTimeMilliseconds(reader.Fixed()) };
        return record with
        {
            Files = reader.Size(), Directories = reader.Size(), Links = reader.Size(), Bytes = reader.Size(),
            Parent = Encoding.UTF8.GetString(reader.Counted(MaxText)), Label = Encoding.UTF8.GetString(reader.Counted(MaxText)),
        };
    }
}

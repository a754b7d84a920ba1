namespace Marionette.Workspaces;

/// <summary>How an object is put.</summary>
public enum BlobPut
{
    /// <summary>Only when there is none of this name; durable on return.</summary>
    IfAbsent,

    /// <summary>In place of what is there; durable on return.</summary>
    Replace,

    /// <summary>Only when there is none, and a power cut may lose it: leases.</summary>
    Fleeting,
}

/// <summary>An object in a store.</summary>
/// <param name="Length">Bytes.</param>
/// <param name="Written">When it was put, by the store's clock.</param>
public sealed record BlobInfo(string Name, long Length, DateTimeOffset Written);

/// <summary>
/// Named, immutable objects. Names are segments of <c>a-z 0-9 . _ -</c> with slashes between. Every put is whole or not at all, whatever dies.
/// Failures are <see cref="WorkspaceException"/>: Missing, Io.
/// </summary>
public interface IBlobStore
{
    /// <summary>Begins an object whose name is known only at its end.</summary>
    ValueTask<IBlobUpload> BeginAsync(CancellationToken cancellationToken);

    /// <summary>Puts a small object.</summary>
    /// <returns>False when one of this name is there and was not to be replaced.</returns>
    ValueTask<bool> PutAsync(string name, ReadOnlyMemory<byte> content, BlobPut how, CancellationToken cancellationToken);

    /// <summary>Reads from an offset, at most as much as the target holds; 0 at the end.</summary>
    /// <exception cref="WorkspaceException">Missing: there is no such object.</exception>
    ValueTask<int> ReadAsync(string name, long offset, Memory<byte> target, CancellationToken cancellationToken);

    /// <summary>Null when there is no such object.</summary>
    ValueTask<BlobInfo?> FindAsync(string name, CancellationToken cancellationToken);

    /// <summary>All objects whose names begin with a prefix that ends with a slash. What is put or deleted meanwhile may be in the list or not.</summary>
    IAsyncEnumerable<BlobInfo> ListAsync(string prefix, CancellationToken cancellationToken);

    /// <summary>Deletes; absent is success.</summary>
    ValueTask DeleteAsync(string name, CancellationToken cancellationToken);
}

/// <summary>An object that grows. Disposed without commit it leaves nothing.</summary>
public interface IBlobUpload : IAsyncDisposable
{
    /// <summary>Adds bytes.</summary>
    ValueTask AppendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    /// <summary>Gives it its name; durable on return. An object of that name that is there already stays.</summary>
    ValueTask CommitAsync(string name, CancellationToken cancellationToken);
}

/// <summary>Where what lies in a store.</summary>
internal static class StoreNames
{
    public const string Packs = "packs/", Indexes = "index/", Snapshots = "snapshots/", Keys = "keys/", Leases = "leases/", Condemned = "condemned/";

    private const int HashDigits = 64;

    public static string Pack(string pack) => Packs + pack;

    /// <summary>Whether its name is a hash: such objects never change.</summary>
    public static bool IsHash(string name) => Last(name).Length == HashDigits;

    /// <summary>Where it lies in a folder or a bucket: objects named by a hash in 256 folders. The same in both: a copy of a bucket is a store.</summary>
    public static string PathOf(string name)
    {
        Check(name);
        var last = Last(name);
        return IsHash(name) ? $"{name[..^HashDigits]}{last[..2]}/{last}" : name;
    }

    /// <summary>The name of what lies there: the folder of the first two digits is no part of it.</summary>
    public static string NameAt(string path)
    {
        if (!IsHash(path))
            return path;
        var folder = path.AsSpan(0, Math.Max(0, path.Length - HashDigits - 1));
        return string.Concat(folder[..(folder.LastIndexOf('/') + 1)], Last(path));
    }

    /// <summary>The last segment.</summary>
    public static string Last(string name) => name[(name.LastIndexOf('/') + 1)..];

    /// <summary>Whether it is a pack's name, without its folder: anything else among packs was put there by somebody else.</summary>
    public static bool IsPack(string last) => last.Length == 64 && last.All(char.IsAsciiHexDigitLower);

    /// <summary>Whether it is a name of ours: buckets may have other things in them.</summary>
    public static bool IsName(string name) => !name.EndsWith('/') && name.Split('/').All(IsSegment);

    private static bool IsSegment(string segment) =>
        segment.Length is > 0 and <= 200 && segment[0] != '.' && segment.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '.' or '_' or '-');

    public static void Check(string name)
    {
        foreach (var segment in name.Split('/'))
            if (segment.Length is 0 or > 200 || segment[0] == '.' || segment.Any(c => !(char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '.' or '_' or '-')))
                throw new WorkspaceException(WorkspaceFault.Invalid, $"'{name}' is no name for an object: segments of a-z, 0-9, '.', '_' and '-' that do not begin with a dot.");
    }
}

/// <summary>A part of a store: one tenant's.</summary>
/// <param name="part">Its name, with a slash at its end.</param>
public sealed class PrefixedBlobStore(IBlobStore store, string part) : IBlobStore
{
    /// <inheritdoc/>
    public async ValueTask<IBlobUpload> BeginAsync(CancellationToken cancellationToken) => new Upload(await store.BeginAsync(cancellationToken).ConfigureAwait(false), part);

    /// <inheritdoc/>
    public ValueTask<bool> PutAsync(string name, ReadOnlyMemory<byte> content, BlobPut how, CancellationToken cancellationToken) => store.PutAsync(part + name, content, how, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<int> ReadAsync(string name, long offset, Memory<byte> target, CancellationToken cancellationToken) => store.ReadAsync(part + name, offset, target, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<BlobInfo?> FindAsync(string name, CancellationToken cancellationToken) =>
        await store.FindAsync(part + name, cancellationToken).ConfigureAwait(false) is { } info ? info with { Name = name } : null;

    /// <inheritdoc/>
    public async IAsyncEnumerable<BlobInfo> ListAsync(string prefix, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var info in store.ListAsync(part + prefix, cancellationToken).ConfigureAwait(false))
            yield return info with { Name = info.Name[part.Length..] };
    }

    /// <inheritdoc/>
    public ValueTask DeleteAsync(string name, CancellationToken cancellationToken) => store.DeleteAsync(part + name, cancellationToken);

    private sealed class Upload(IBlobUpload upload, string prefix) : IBlobUpload
    {
        public ValueTask AppendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => upload.AppendAsync(bytes, cancellationToken);

        public ValueTask CommitAsync(string name, CancellationToken cancellationToken) => upload.CommitAsync(prefix + name, cancellationToken);

        public ValueTask DisposeAsync() => upload.DisposeAsync();
    }
}

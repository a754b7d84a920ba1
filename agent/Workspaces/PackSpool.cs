using System.Net;
using System.Security.Cryptography;

namespace Marionette.Agent.Workspaces;

/// <summary>
/// A pack before it is sent: a signed request names its length and hash, so all of it must be there. It stands in a file without a name, which goes with the
/// process, so that a runner's memory does not grow with its workers.
/// </summary>
internal sealed class PackSpool : IDisposable
{
    private readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly FileStream file;

    /// <exception cref="IOException">There is no room.</exception>
    public PackSpool(string folder)
    {
        var path = Path.Combine(folder, $"pack-{Guid.NewGuid():n}.tmp");
        file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.Delete, BufferSize = 0,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        File.Delete(path);
    }

    /// <summary>Bytes so far.</summary>
    public long Length { get; private set; }

    /// <summary>All that was added, to be read; what reads it does not close it.</summary>
    public Stream Content => file;

    /// <exception cref="IOException">There is no room; what was added before stays.</exception>
    public async ValueTask AddAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        file.Position = Length;
        await file.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
        hash.AppendData(bytes.Span);
        Length += bytes.Length;
    }

    /// <summary>SHA-256 of all that was added.</summary>
    public byte[] Hash() => hash.GetCurrentHash();

    /// <summary>Everything that was added, in parts of up to 256 KiB.</summary>
    public async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var part = new byte[256 * 1024];
        file.Position = 0;
        for (var left = Length; left > 0;)
        {
            var read = await file.ReadAsync(part.AsMemory(0, (int)Math.Min(part.Length, left)), cancellationToken).ConfigureAwait(false);
            if (read == 0)
                throw new IOException("A pack that was to be sent is cut off.");
            left -= read;
            yield return part.AsMemory(0, read);
        }
    }

    public void Dispose()
    {
        file.Dispose();
        hash.Dispose();
    }
}

/// <summary>A pack as the body of a request. It stays open: the request may be made again.</summary>
internal sealed class PackContent(Stream pack) : HttpContent
{
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        pack.Position = 0;
        return pack.CopyToAsync(stream, cancellationToken);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = pack.Length;
        return true;
    }
}

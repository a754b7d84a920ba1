using Marionette.Workspaces;
using Marionette.Workspaces.S3;

namespace Marionette.Gateway.Workspaces;

/// <summary>Where the chunk store is: a folder, or a bucket of S3 or of what speaks its protocol.</summary>
public sealed record StorePlace
{
    /// <summary>What says that there is no store.</summary>
    public const string None = "none";

    private const string Unconditional =
        "this server ignores If-None-Match: two gateways that make a new tenant's keys in the same moment can both win, and one's chunks are then lost (docs/guides/s3.md).";

    /// <summary>Tries at the start: a server that is not there should be said soon.</summary>
    private const int Attempts = 4;

    private StorePlace()
    {
    }

    /// <summary>Full path of the folder.</summary>
    public string? Folder { get; private init; }

    /// <summary>The bucket.</summary>
    public S3Place? Bucket { get; private init; }

    /// <summary>Whether runners send and fetch packs straight to and from the bucket.</summary>
    public bool IsDirect { get; private init; }

    /// <summary>A folder.</summary>
    public static StorePlace In(string folder) => new() { Folder = Path.GetFullPath(folder) };

    /// <summary>Reads the options <c>--chunk-store</c> and those that begin with it; null and empty texts are options that were not given.</summary>
    /// <param name="store">Folder, <c>s3://BUCKET[/PREFIX]</c> or "none".</param>
    /// <param name="endpoint">Address of a server that is not AWS's.</param>
    /// <param name="region">The bucket's.</param>
    /// <param name="direct">"on" or "off". Default on; off where the endpoint is a loopback address, which is another machine to most runners.</param>
    /// <returns>Null: there is no store.</returns>
    /// <exception cref="FormatException">What is wrong and with which option, in one line.</exception>
    public static StorePlace? Parse(string? store, string? endpoint, string? region, string? direct)
    {
        if (!S3Place.Is(store))
        {
            if ((endpoint ?? region ?? direct) is { Length: > 0 })
                throw new FormatException("--chunk-store-endpoint, --chunk-store-region and --chunk-store-direct belong to --chunk-store s3://BUCKET[/PREFIX].");
            return string.IsNullOrEmpty(store) || store == None ? null : In(store);
        }

        if (direct is not (null or "" or "on" or "off")) throw new FormatException($"--chunk-store-direct: \"{direct}\" is neither on nor off.");
        try
        {
            var bucket = S3Place.Parse(store!, endpoint, region);
            return new StorePlace { Bucket = bucket, IsDirect = direct == "on" || (direct != "off" && !bucket.IsLoopback) };
        }
        catch (FormatException e)
        {
            throw new FormatException($"--chunk-store: {e.Message}", e);
        }
    }

    /// <summary>Tries whether it can be used, and makes the folder: better told at the start than by the first checkpoint.</summary>
    /// <returns>What the operator should know of it; null = nothing.</returns>
    /// <exception cref="IOException">It cannot be used; one line that names it.</exception>
    public async Task<string?> PrepareAsync(TimeProvider clock, CancellationToken cancellationToken = default)
    {
        if (Folder is not null) ChunkFolder.Prepare(Folder);
        if (Bucket is null) return null;
        try
        {
            using var bucket = new S3BlobStore(Bucket, clock, Attempts);
            return await bucket.PrepareAsync(cancellationToken) ? null : Unconditional;
        }
        catch (WorkspaceException e)
        {
            throw new IOException($"{Bucket} cannot be used: {e.Message}", e);
        }
    }
}

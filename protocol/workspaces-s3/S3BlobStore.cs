using System.Net;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Amazon;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;

namespace Marionette.Workspaces.S3;

/// <summary>
/// Objects as objects of a bucket, under the place's prefix. That only one of two puts of a name wins is the service's word (<c>If-None-Match</c>) where it keeps
/// it; where it does not, it holds for the puts of this one process alone. Credentials are those that the AWS SDK finds.
/// </summary>
public sealed partial class S3BlobStore : IBlobStore, IDisposable
{
    /// <summary>Objects up to this size are put in one request.</summary>
    internal const int SinglePutBytes = 64 << 20;

    /// <summary>Which put an object is from: a put whose answer was lost is known again by it.</summary>
    private const string PutMark = "x-amz-meta-mn-put";

    private readonly S3Place _place;
    private readonly AmazonS3Client _client;
    private readonly S3Calls _calls;
    private readonly TimeProvider _clock;

    /// <summary>Asks nothing of the service yet.</summary>
    /// <param name="attempts">How often a call is made while the service is busy or away, 1 to 20; with 8 its pauses are 13 s in all.</param>
    /// <exception cref="WorkspaceException">Io: there are no credentials, or no region.</exception>
    public S3BlobStore(S3Place place, TimeProvider clock, int attempts = S3Calls.UsualAttempts)
    {
        (_place, _clock, _calls) = (place, clock, new S3Calls(place, clock, attempts));
        try
        {
            _client = new AmazonS3Client(Configure(place));
        }
        catch (AmazonClientException exception)
        {
            throw WorkspaceException.Io($"{place}: the AWS SDK finds no region or no credentials; name a region, and see docs/guides/s3.md.", exception);
        }
    }

    /// <inheritdoc/>
    public ValueTask<IBlobUpload> BeginAsync(CancellationToken cancellationToken) => ValueTask.FromResult<IBlobUpload>(new S3Upload(this));

    /// <inheritdoc/>
    public async ValueTask<bool> PutAsync(string name, ReadOnlyMemory<byte> content, BlobPut how, CancellationToken cancellationToken)
    {
        var key = KeyOf(name);
        var bytes = MemoryMarshal.TryGetArray(content, out var segment) ? segment : new ArraySegment<byte>(content.ToArray());
        using var stream = new MemoryStream(bytes.Array!, bytes.Offset, bytes.Count, writable: false);
        return await PutAsync(key, stream, how, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask<int> ReadAsync(string name, long offset, Memory<byte> target, CancellationToken cancellationToken)
    {
        var key = KeyOf(name);
        if (target.IsEmpty)
            return await FindAsync(name, cancellationToken).ConfigureAwait(false) is null ? throw WorkspaceException.Missing($"{name} is not in the store.") : 0;
        return await _calls.RunAsync(key, token => ReadOnceAsync(key, offset, target, token), cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask<BlobInfo?> FindAsync(string name, CancellationToken cancellationToken)
    {
        var found = await HeadAsync(KeyOf(name), cancellationToken).ConfigureAwait(false);
        return found is null ? null : new BlobInfo(name, found.ContentLength, Time(found.LastModified));
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<BlobInfo> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new ListObjectsV2Request { BucketName = _place.Bucket, Prefix = _place.Prefix + prefix };
        while (true)
        {
            var page = await _calls.RunAsync(request.Prefix, token => _client.ListObjectsV2Async(request, token), cancellationToken).ConfigureAwait(false);
            foreach (var found in page.S3Objects ?? [])
            {
                // What consoles and copying tools put beside ours ("folders", .bak) is not ours.
                var name = StoreNames.NameAt(found.Key[_place.Prefix.Length..]);
                if (StoreNames.IsName(name))
                    yield return new BlobInfo(name, found.Size ?? 0, Time(found.LastModified));
            }

            if (page.IsTruncated != true)
                yield break;
            request.ContinuationToken = page.NextContinuationToken;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DeleteAsync(string name, CancellationToken cancellationToken)
    {
        var request = new DeleteObjectRequest { BucketName = _place.Bucket, Key = KeyOf(name) };
        try
        {
            await _calls.RunAsync(request.Key, token => _client.DeleteObjectAsync(request, token), cancellationToken).ConfigureAwait(false);
        }
        catch (WorkspaceException missing) when (missing.Fault == WorkspaceFault.Missing)
        {
            // Some servers say so.
        }
    }

    /// <summary>Closes its connections.</summary>
    public void Dispose()
    {
        _client.Dispose();
        _probing.Dispose();
        foreach (var gate in _gates)
            gate.Dispose();
    }

    private static AmazonS3Config Configure(S3Place place)
    {
        var config = new AmazonS3Config
        {
            ForcePathStyle = place.IsPathStyle,
            // Ours are made by S3Calls, with a body that is read again; two layers would multiply.
            MaxErrorRetry = 0,
            // A filter that drops packets is no slow server.
            ConnectTimeout = TimeSpan.FromSeconds(5),
            // Chunks carry their own seal, and the request's signature covers the body: what few other servers know is not needed.
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        };
        if (place.Endpoint is { } endpoint)
        {
            config.ServiceURL = endpoint.ToString();
            config.AuthenticationRegion = place.Region ?? "us-east-1";
        }
        else if (place.Region is { } region)
        {
            config.RegionEndpoint = RegionEndpoint.GetBySystemName(region);
        }

        return config;
    }

    private static DateTimeOffset Time(DateTime? written) => written is { } time ? new DateTimeOffset(time.ToUniversalTime()) : DateTimeOffset.UnixEpoch;

    internal string KeyOf(string name) => _place.Prefix + StoreNames.PathOf(name);

    private async Task<int> ReadOnceAsync(string key, long offset, Memory<byte> target, CancellationToken cancellationToken)
    {
        try
        {
            var request = new GetObjectRequest { BucketName = _place.Bucket, Key = key, ByteRange = new ByteRange(offset, offset + target.Length - 1) };
            using var response = await _client.GetObjectAsync(request, cancellationToken).ConfigureAwait(false);
            if (response.HttpStatusCode != HttpStatusCode.PartialContent && offset > 0)
                throw WorkspaceException.Io($"s3://{_place.Bucket}/{key}: the server does not read parts of objects.");
            var expected = (int)Math.Min(target.Length, response.ContentLength);
            var read = await response.ResponseStream.ReadAtLeastAsync(target[..expected], expected, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
            return read == expected ? read : throw new IOException($"The answer ended after {read} of {expected} bytes.");
        }
        catch (AmazonS3Exception beyond) when (beyond.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            return 0;
        }
    }

    private async Task<GetObjectMetadataResponse?> HeadAsync(string key, CancellationToken cancellationToken)
    {
        try
        {
            var request = new GetObjectMetadataRequest { BucketName = _place.Bucket, Key = key };
            return await _calls.RunAsync(key, token => _client.GetObjectMetadataAsync(request, token), cancellationToken).ConfigureAwait(false);
        }
        catch (WorkspaceException missing) when (missing.Fault == WorkspaceFault.Missing)
        {
            return null;
        }
    }
}

using System.Net;
using Amazon.S3.Model;

namespace Marionette.Workspaces.S3;

/// <content>Puts: whole ones and those in parts, in place of what is there or only where nothing is.</content>
public sealed partial class S3BlobStore
{
    /// <summary>Parts of a large object; the service takes at most 10,000.</summary>
    private const int PartBytes = 16 << 20, MostParts = 10_000, Gates = 64;

    /// <summary>Where the service does not keep the condition, puts of one name in this process stand in a row.</summary>
    private readonly SemaphoreSlim[] _gates = [.. Enumerable.Range(0, Gates).Select(_ => new SemaphoreSlim(1))];

    /// <param name="content">From its begin; it can be read again.</param>
    internal async Task<bool> PutAsync(string key, Stream content, BlobPut how, CancellationToken cancellationToken)
    {
        if (how == BlobPut.Replace)
        {
            await PutOnceAsync(key, content, isAbsent: false, cancellationToken).ConfigureAwait(false);
            return true;
        }

        if (await IsConditionalAsync(cancellationToken).ConfigureAwait(false))
            return await PutOnceAsync(key, content, isAbsent: true, cancellationToken).ConfigureAwait(false);
        var gate = _gates[(uint)string.GetHashCode(key, StringComparison.Ordinal) % Gates];
        await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (await HeadAsync(key, cancellationToken).ConfigureAwait(false) is not null)
                return false;
            await PutOnceAsync(key, content, isAbsent: false, cancellationToken).ConfigureAwait(false);
            return true;
        }
        finally
        {
            gate.Release();
        }
    }

    private async Task<bool> PutOnceAsync(string key, Stream content, bool isAbsent, CancellationToken cancellationToken)
    {
        var mark = Guid.NewGuid().ToString("n");
        try
        {
            if (content.Length > SinglePutBytes)
                await PutInPartsAsync(key, content, mark, isAbsent, cancellationToken).ConfigureAwait(false);
            else
                await _calls.RunAsync(key, token => PutWholeAsync(key, content, mark, isAbsent, token), cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (WorkspaceException refused) when (isAbsent && refused.InnerException is S3Refusal { Status: HttpStatusCode.PreconditionFailed })
        {
            // An attempt whose answer was lost may have put it: then it was this one.
            return await HeadAsync(key, cancellationToken).ConfigureAwait(false) is { } there && there.Metadata[PutMark] == mark;
        }
    }

    private Task<PutObjectResponse> PutWholeAsync(string key, Stream content, string mark, bool isAbsent, CancellationToken cancellationToken)
    {
        content.Position = 0;
        var request = new PutObjectRequest
        {
            BucketName = _place.Bucket, Key = key, InputStream = content, AutoCloseStream = false, AutoResetStreamPosition = false, UseChunkEncoding = false,
            ContentType = "application/octet-stream", IfNoneMatch = isAbsent ? "*" : null,
        };
        request.Metadata[PutMark] = mark;
        return _client.PutObjectAsync(request, cancellationToken);
    }

    private async Task PutInPartsAsync(string key, Stream content, string mark, bool isAbsent, CancellationToken cancellationToken)
    {
        var size = (int)Math.Max(PartBytes, (content.Length + MostParts - 1) / MostParts);
        var begin = new InitiateMultipartUploadRequest { BucketName = _place.Bucket, Key = key, ContentType = "application/octet-stream" };
        begin.Metadata[PutMark] = mark;
        var upload = (await _calls.RunAsync(key, token => _client.InitiateMultipartUploadAsync(begin, token), cancellationToken).ConfigureAwait(false)).UploadId;
        try
        {
            var parts = new List<PartETag>();
            var part = new byte[size];
            content.Position = 0;
            while (await content.ReadAtLeastAsync(part, part.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false) is var length && length > 0)
            {
                var number = parts.Count + 1;
                var stored = await _calls.RunAsync(key, token => PutPartAsync(key, upload, number, part, length, token), cancellationToken).ConfigureAwait(false);
                parts.Add(new PartETag(number, stored.ETag));
            }

            var end = new CompleteMultipartUploadRequest
            {
                BucketName = _place.Bucket, Key = key, UploadId = upload, PartETags = parts, IfNoneMatch = isAbsent ? "*" : null,
            };
            await _calls.RunAsync(key, token => _client.CompleteMultipartUploadAsync(end, token), cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await AbortAsync(key, upload).ConfigureAwait(false);
            throw;
        }
    }

    private async Task<UploadPartResponse> PutPartAsync(string key, string upload, int number, byte[] part, int length, CancellationToken cancellationToken)
    {
        using var stream = new MemoryStream(part, 0, length, writable: false);
        var request = new UploadPartRequest
        {
            BucketName = _place.Bucket, Key = key, UploadId = upload, PartNumber = number, PartSize = length, InputStream = stream, UseChunkEncoding = false,
        };
        return await _client.UploadPartAsync(request, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Parts that stay behind cost money; what cannot be taken back now goes by the bucket's rule.</summary>
    private async Task AbortAsync(string key, string upload)
    {
        try
        {
            var request = new AbortMultipartUploadRequest { BucketName = _place.Bucket, Key = key, UploadId = upload };
            await _calls.RunAsync(key, token => _client.AbortMultipartUploadAsync(request, token), CancellationToken.None).ConfigureAwait(false);
        }
        catch (WorkspaceException)
        {
            // The failure that led here is the one to tell.
        }
    }
}

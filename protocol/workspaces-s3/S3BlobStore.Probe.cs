using System.Net;
using Amazon.S3.Model;

namespace Marionette.Workspaces.S3;

/// <content>What the service can do and the credentials may.</content>
public sealed partial class S3BlobStore
{
    private readonly SemaphoreSlim _probing = new(1);
    private bool? _isConditional;

    /// <summary>
    /// Puts, reads, lists and deletes an object of no meaning: better told at the start than by the first checkpoint. Also learns whether the service keeps
    /// <c>If-None-Match</c>.
    /// </summary>
    /// <returns>Whether it does.</returns>
    /// <exception cref="WorkspaceException">Io: something of it is refused, or nothing answers; one line.</exception>
    public async Task<bool> PrepareAsync(CancellationToken cancellationToken)
    {
        // No tenant's part and no object's name begins with a dot, so it is in nobody's list.
        var key = $"{_place.Prefix}.probe-{Guid.NewGuid():n}";
        using var content = new MemoryStream("probe"u8.ToArray());
        await _calls.RunAsync(key, token => PutWholeAsync(key, content, "1", isAbsent: false, token), cancellationToken).ConfigureAwait(false);
        try
        {
            _isConditional = await IsRefusedAsync(key, content, cancellationToken).ConfigureAwait(false);
            var read = new byte[16];
            await _calls.RunAsync(key, token => ReadOnceAsync(key, 0, read, token), cancellationToken).ConfigureAwait(false);
            var list = new ListObjectsV2Request { BucketName = _place.Bucket, Prefix = key, MaxKeys = 1 };
            await _calls.RunAsync(key, token => _client.ListObjectsV2Async(list, token), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            var gone = new DeleteObjectRequest { BucketName = _place.Bucket, Key = key };
            await _calls.RunAsync(key, token => _client.DeleteObjectAsync(gone, token), cancellationToken).ConfigureAwait(false);
        }

        return _isConditional.Value;
    }

    private async ValueTask<bool> IsConditionalAsync(CancellationToken cancellationToken)
    {
        if (_isConditional is { } known)
            return known;
        await _probing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return _isConditional ?? await PrepareAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _probing.Release();
        }
    }

    /// <summary>Whether a put of what is there is refused, as it was asked to be.</summary>
    private async Task<bool> IsRefusedAsync(string key, MemoryStream content, CancellationToken cancellationToken)
    {
        try
        {
            await _calls.RunAsync(key, token => PutWholeAsync(key, content, "2", isAbsent: true, token), cancellationToken).ConfigureAwait(false);
            return false;
        }
        catch (WorkspaceException refused) when (refused.InnerException is S3Refusal { Status: HttpStatusCode.PreconditionFailed })
        {
            return true;
        }
        catch (WorkspaceException refused) when (refused.InnerException is S3Refusal { Status: HttpStatusCode.NotImplemented or HttpStatusCode.BadRequest })
        {
            return false;
        }
    }
}

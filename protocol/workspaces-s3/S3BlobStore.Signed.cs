using Amazon.S3;
using Amazon.S3.Model;

namespace Marionette.Workspaces.S3;

/// <summary>A request that another may make in our name, once or more, until it runs out.</summary>
/// <param name="Url">With the signature in its query: a secret of its own kind, not for logs.</param>
/// <param name="Headers">What must be sent with it as it stands here.</param>
/// <param name="Lifetime">How long it is good.</param>
public sealed record SignedRequest(Uri Url, IReadOnlyList<KeyValuePair<string, string>> Headers, TimeSpan Lifetime);

/// <content>Requests that are signed here and made elsewhere.</content>
public sealed partial class S3BlobStore
{
    /// <summary>One object's PUT: of this length, with this content, and where the service keeps the condition only when there is none of the name.</summary>
    /// <param name="length">Bytes, 1 to 5 GiB.</param>
    /// <param name="sha256">Of the content, 32 bytes; the service refuses other bytes.</param>
    /// <exception cref="WorkspaceException">Io: there are no credentials.</exception>
    public async Task<SignedRequest> SignPutAsync(string name, long length, ReadOnlyMemory<byte> sha256, TimeSpan lifetime, CancellationToken cancellationToken)
    {
        List<KeyValuePair<string, string>> headers =
        [
            new("content-length", length.ToString(System.Globalization.CultureInfo.InvariantCulture)),
            new("x-amz-checksum-sha256", Convert.ToBase64String(sha256.Span)),
        ];
        if (await IsConditionalAsync(cancellationToken).ConfigureAwait(false))
            headers.Add(new("if-none-match", "*"));
        return await SignAsync(KeyOf(name), HttpVerb.PUT, headers, lifetime, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>One object's GET, of all or of a range.</summary>
    /// <exception cref="WorkspaceException">Io: there are no credentials.</exception>
    public Task<SignedRequest> SignGetAsync(string name, TimeSpan lifetime, CancellationToken cancellationToken) =>
        SignAsync(KeyOf(name), HttpVerb.GET, [], lifetime, cancellationToken);

    private Task<SignedRequest> SignAsync(
        string key, HttpVerb verb, IReadOnlyList<KeyValuePair<string, string>> headers, TimeSpan lifetime, CancellationToken cancellationToken) =>
        _calls.RunAsync(key, async _ =>
        {
            var request = new GetPreSignedUrlRequest
            {
                BucketName = _place.Bucket, Key = key, Verb = verb, Expires = (_clock.GetUtcNow() + lifetime).UtcDateTime,
                Protocol = _place.Endpoint?.Scheme == Uri.UriSchemeHttp ? Protocol.HTTP : Protocol.HTTPS,
            };
            foreach (var (name, value) in headers)
                request.Headers[name] = value;
            return new SignedRequest(new Uri(await _client.GetPreSignedURLAsync(request).ConfigureAwait(false)), headers, lifetime);
        }, cancellationToken);
}

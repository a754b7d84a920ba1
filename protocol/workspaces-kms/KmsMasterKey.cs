using System.Net;
using System.Security.Cryptography;
using System.Text;
using Amazon;
using Amazon.KeyManagementService;
using Amazon.KeyManagementService.Model;
using Amazon.Runtime;

namespace Marionette.Workspaces.Kms;

/// <summary>
/// Wraps by KMS's Encrypt and Decrypt (https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html). The context of what is wrapped is the encryption context, so the service
/// itself refuses one tenant's keys as another's, and its log of calls names the tenant. Credentials are those that the AWS SDK finds.
/// </summary>
public sealed class KmsMasterKey : IMasterKey, IDisposable
{
    /// <summary>Name of the member of the encryption context. Part of the format: another name opens nothing.</summary>
    private const string ContextName = "marionette";

    /// <summary>Encrypt takes no more.</summary>
    private const int MostPlain = 4096;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    private readonly KmsKey _key;
    private readonly AmazonKeyManagementServiceClient _client;

    /// <summary>Asks nothing of the service yet.</summary>
    /// <exception cref="WorkspaceException">Io: there are no credentials, or no region.</exception>
    public KmsMasterKey(KmsKey key)
    {
        _key = key;
        var config = new AmazonKeyManagementServiceConfig { MaxErrorRetry = 3, Timeout = Limit };
        if (key.Endpoint is { } endpoint) (config.ServiceURL, config.AuthenticationRegion) = (endpoint.ToString(), key.Region ?? "us-east-1");
        else if (key.Region is { } region) config.RegionEndpoint = RegionEndpoint.GetBySystemName(region);
        try
        {
            _client = new AmazonKeyManagementServiceClient(config);
        }
        catch (AmazonClientException exception)
        {
            throw WorkspaceException.Io($"{key}: the AWS SDK finds no region or no credentials; name a region, and see docs/guides/keys.md.", exception);
        }
    }

    /// <inheritdoc/>
    public string Id => _key.Id;

    /// <inheritdoc/>
    /// <exception cref="WorkspaceException">Io: the service refuses, or does not answer; Invalid: more than 4096 bytes.</exception>
    public async ValueTask<byte[]> WrapAsync(ReadOnlyMemory<byte> plain, ReadOnlyMemory<byte> context, CancellationToken cancellationToken)
    {
        if (plain.Length > MostPlain) throw new WorkspaceException(WorkspaceFault.Invalid, $"KMS wraps at most {MostPlain} bytes, and the tenant's keys have {plain.Length}.");
        var bytes = plain.ToArray();
        try
        {
            using var content = new MemoryStream(bytes);
            var request = new EncryptRequest { KeyId = _key.Name, Plaintext = content, EncryptionContext = ContextOf(context) };
            return (await CallAsync(token => _client.EncryptAsync(request, token), cancellationToken).ConfigureAwait(false)).CiphertextBlob.ToArray();
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    /// <inheritdoc/>
    /// <exception cref="WorkspaceException">WrongKey; Io: the service refuses, or does not answer.</exception>
    public async ValueTask<byte[]> UnwrapAsync(ReadOnlyMemory<byte> wrapped, ReadOnlyMemory<byte> context, CancellationToken cancellationToken)
    {
        using var content = new MemoryStream(wrapped.ToArray());
        // The key is named, so that what another key of the account wrapped is refused.
        var request = new DecryptRequest { KeyId = _key.Name, CiphertextBlob = content, EncryptionContext = ContextOf(context) };
        using var plain = (await CallAsync(token => _client.DecryptAsync(request, token), cancellationToken).ConfigureAwait(false)).Plaintext;
        return plain.ToArray();
    }

    /// <summary>Wraps and unwraps something: better told at the start than by the first tenant.</summary>
    /// <exception cref="WorkspaceException">It cannot be used.</exception>
    public async Task ProbeAsync(CancellationToken cancellationToken)
    {
        var (sample, context) = (RandomNumberGenerator.GetBytes(32), "marionette probe"u8.ToArray());
        var opened = await UnwrapAsync(await WrapAsync(sample, context, cancellationToken).ConfigureAwait(false), context, cancellationToken).ConfigureAwait(false);
        if (!opened.AsSpan().SequenceEqual(sample)) throw new WorkspaceException(WorkspaceFault.WrongKey, $"{_key} does not give back what it wrapped.");
    }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    private static Dictionary<string, string> ContextOf(ReadOnlyMemory<byte> context) => new() { [ContextName] = Encoding.UTF8.GetString(context.Span) };

    private async Task<T> CallAsync<T>(Func<CancellationToken, Task<T>> call, CancellationToken cancellationToken)
    {
        try
        {
            return await call(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is InvalidCiphertextException or IncorrectKeyException)
        {
            throw new WorkspaceException(WorkspaceFault.WrongKey, $"The tenant's keys do not open with {_key}: another key, another tenant, or changed bytes.", Refusal((AmazonServiceException)exception));
        }
        catch (AmazonServiceException refused) when (refused.StatusCode != 0)
        {
            // What the service says in free text is left out: it may repeat what it was sent.
            throw WorkspaceException.Io($"{_key}: refused with {(int)refused.StatusCode} {refused.ErrorCode}; docs/guides/keys.md says which rights it needs.", Refusal(refused));
        }
        catch (Exception exception) when (exception is AmazonClientException or AmazonServiceException or HttpRequestException or IOException or TimeoutException
            || exception is OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            throw WorkspaceException.Io($"{_key}: the key service does not answer, or there are no credentials for it; docs/guides/keys.md says where they are looked for.", exception);
        }
    }

    private static KmsRefusal Refusal(AmazonServiceException refused) => new(refused.StatusCode, refused.ErrorCode);
}

/// <summary>What the service answered, without its words.</summary>
internal sealed class KmsRefusal(HttpStatusCode status, string code) : Exception($"{(int)status} {code}");

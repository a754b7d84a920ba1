using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Marionette.Sessions;

namespace Marionette.Gateway.Secrets;

/// <summary>What a session keeps secret.</summary>
/// <param name="ApiKey">Key for the model; null = none of its own.</param>
/// <param name="Env">Environment of the agent.</param>
/// <param name="Options">What the agent kind takes beside that; an object.</param>
/// <param name="GitSecret">Secret of the credential that its workspace is cloned with.</param>
public sealed record SessionSecrets(string? ApiKey, ImmutableDictionary<string, string>? Env, JsonElement? Options = null, string? GitSecret = null)
{
    /// <summary>Never the content.</summary>
    public override string ToString() => "SessionSecrets";
}

/// <summary>
/// Seals secrets under AES-256-GCM. A box opens only with the same master key and for the same tenant, session and purpose: one that
/// was moved to another row is refused like a damaged one.
/// </summary>
public sealed class SecretSealer(MasterKey key)
{
    /// <summary>Purpose of the box in <see cref="CreateSession.Secrets"/>.</summary>
    public const string SessionPurpose = "session-secrets";

    private const int NonceLength = 12, TagLength = 16;

    /// <summary>Seals the secrets of one session.</summary>
    public SealedSecrets Seal(string tenant, string session, SessionSecrets secrets, string purpose = SessionPurpose)
    {
        var plain = JsonSerializer.SerializeToUtf8Bytes(secrets, SecretJsonContext.Default.SessionSecrets);
        try
        {
            var box = new byte[NonceLength + plain.Length + TagLength];
            var nonce = box.AsSpan(0, NonceLength);
            RandomNumberGenerator.Fill(nonce);
            using var aes = new AesGcm(key.Bytes, TagLength);
            aes.Encrypt(nonce, plain, box.AsSpan(NonceLength, plain.Length), box.AsSpan(NonceLength + plain.Length), Bind(tenant, session, purpose));
            return new SealedSecrets(key.Id, box);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    /// <summary>Opens what <see cref="Seal"/> made.</summary>
    /// <exception cref="CryptographicException">Another master key, another tenant, session or purpose, or a damaged box.</exception>
    public SessionSecrets Open(string tenant, string session, SealedSecrets secrets, string purpose = SessionPurpose)
    {
        if (secrets.KeyId != key.Id)
            throw new CryptographicException($"Sealed under master key {secrets.KeyId}; this process has {key.Id}.");
        var box = secrets.Box.AsSpan();
        if (box.Length < NonceLength + TagLength) throw new CryptographicException("The sealed box is cut.");
        var plain = new byte[box.Length - NonceLength - TagLength];
        try
        {
            using var aes = new AesGcm(key.Bytes, TagLength);
            aes.Decrypt(box[..NonceLength], box[NonceLength..^TagLength], box[^TagLength..], plain, Bind(tenant, session, purpose));
            return JsonSerializer.Deserialize(plain, SecretJsonContext.Default.SessionSecrets)
                ?? throw new CryptographicException("The sealed box holds nothing.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    // None of the parts can hold the separator: tenants and ids have narrow alphabets and purposes are ours.
    private static byte[] Bind(string tenant, string session, string purpose) => Encoding.UTF8.GetBytes($"{tenant}|{session}|{purpose}");
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(SessionSecrets))]
internal sealed partial class SecretJsonContext : JsonSerializerContext;

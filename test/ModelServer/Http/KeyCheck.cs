using System.Security.Cryptography;
using System.Text;

namespace Marionette.ModelServer.Http;

/// <summary>Reads the caller's key and decides whether it is let in.</summary>
internal sealed class KeyCheck(string? requiredKey)
{
    private const string HashPrefix = "sha256:";

    private readonly string? _requiredHash = requiredKey switch
    {
        null => null,
        _ when requiredKey.StartsWith(HashPrefix, StringComparison.Ordinal)
            => requiredKey[HashPrefix.Length..].ToLowerInvariant(),
        _ => Hash(requiredKey),
    };

    /// <summary>The key in <c>x-api-key</c>, or else the bearer token; null when neither came.</summary>
    public static string? Read(IHeaderDictionary headers)
    {
        var key = headers["x-api-key"].ToString();
        if (key.Length > 0) return key;
        var authorization = headers.Authorization.ToString();
        const string bearer = "Bearer ";
        return authorization.StartsWith(bearer, StringComparison.OrdinalIgnoreCase) && authorization.Length > bearer.Length
            ? authorization[bearer.Length..]
            : null;
    }

    /// <summary>Lower-case hex SHA-256: enough to compare keys, useless for calling anyone.</summary>
    public static string Hash(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));

    /// <exception cref="ApiException">401: no key, one that starts with <c>sk-bad</c>, or not the required one.</exception>
    public void Demand(string? key)
    {
        if (key is null) throw Refused("x-api-key header is required");
        if (key.StartsWith("sk-bad", StringComparison.Ordinal)) throw Refused("invalid x-api-key");
        if (_requiredHash is not null && Hash(key) != _requiredHash) throw Refused("invalid x-api-key");
    }

    private static ApiException Refused(string message) => new(401, ApiException.TypeOf(401), message);
}

using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Marionette.Gateway.Secrets;

namespace Marionette.Gateway.Links;

/// <summary>What a link is good for: one answer to one request by one person.</summary>
/// <param name="Id">"plnk_…"; the id of the answer's command, which is what makes the link good for once.</param>
/// <param name="Creator">The key that made it: a link does not outlive its key.</param>
internal sealed record PermissionLink(string Id, string Tenant, string Session, string Permission, string Actor, string Creator, long Expires, string[] Actions);

/// <summary>
/// Signs links and reads them again. The token holds all there is to know, under HMAC-SHA256 with a key that is derived from the master key; nothing is
/// stored.
/// </summary>
internal sealed class PermissionLinks(MasterKey master)
{
    private const int MaxToken = 4096;

    private readonly byte[] key = HMACSHA256.HashData(master.Bytes, "marionette permission links v1"u8);

    public string Sign(PermissionLink link)
    {
        var payload = Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(link, LinkJsonContext.Default.PermissionLink));
        return $"{payload}.{Base64Url.EncodeToString(MacOf(payload))}";
    }

    /// <summary>The link, or null for a token that we did not sign.</summary>
    public PermissionLink? Read(string token)
    {
        if (token.Length > MaxToken || token.Split('.') is not [var payload, var mac] || !Base64Url.IsValid(payload) || !Base64Url.IsValid(mac)) return null;
        if (!CryptographicOperations.FixedTimeEquals(Base64Url.DecodeFromChars(mac), MacOf(payload))) return null;
        return JsonSerializer.Deserialize(Base64Url.DecodeFromChars(payload), LinkJsonContext.Default.PermissionLink);
    }

    private byte[] MacOf(string payload) => HMACSHA256.HashData(key, System.Text.Encoding.ASCII.GetBytes(payload));
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(PermissionLink))]
internal sealed partial class LinkJsonContext : JsonSerializerContext;

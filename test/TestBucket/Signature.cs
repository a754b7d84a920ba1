using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Marionette.TestBucket;

/// <summary>AWS's signature, version 4, of a request as it arrived: in its headers or in its query.</summary>
internal static class Signature
{
    private const string Algorithm = "AWS4-HMAC-SHA256", Unsigned = "UNSIGNED-PAYLOAD";

    /// <summary>Null when it is right; otherwise the service's code for what is wrong.</summary>
    /// <param name="now">The server's time.</param>
    public static string? Check(HttpContext http, byte[] body, DateTimeOffset now)
    {
        var raw = http.Features.Get<IHttpRequestFeature>()!.RawTarget.Split('?', 2);
        var query = (raw.Length < 2 ? "" : raw[1]).Split('&', StringSplitOptions.RemoveEmptyEntries).Select(pair => pair.Split('=', 2))
            .Select(pair => (Name: Uri.UnescapeDataString(pair[0]), Value: pair.Length < 2 ? "" : Uri.UnescapeDataString(pair[1]))).ToList();
        return query.Any(pair => pair.Name == "X-Amz-Signature") ? CheckQuery(http, raw[0], query, now) : CheckHeader(http, raw[0], query, body);
    }

    private static string? CheckHeader(HttpContext http, string path, List<(string Name, string Value)> query, byte[] body)
    {
        var fields = http.Request.Headers.Authorization.ToString();
        if (!fields.StartsWith(Algorithm + " ", StringComparison.Ordinal)) return "AccessDenied";
        var parts = fields[Algorithm.Length..].Split(',', StringSplitOptions.TrimEntries).Select(part => part.Split('=', 2)).ToDictionary(part => part[0], part => part[1]);
        // Of the services here, the bucket's alone has the hash in a header, too.
        var payload = http.Request.Headers["x-amz-content-sha256"].ToString() is { Length: > 0 } said ? said : Convert.ToHexStringLower(SHA256.HashData(body));
        if (payload != Unsigned && payload != Convert.ToHexStringLower(SHA256.HashData(body))) return "XAmzContentSHA256Mismatch";
        var made = Make(http, path, query, parts["SignedHeaders"], http.Request.Headers["x-amz-date"].ToString(), parts["Credential"], payload);
        return made == parts["Signature"] ? null : "SignatureDoesNotMatch";
    }

    private static string? CheckQuery(HttpContext http, string path, List<(string Name, string Value)> query, DateTimeOffset now)
    {
        string Of(string name) => query.Single(pair => pair.Name == name).Value;
        var begin = DateTimeOffset.ParseExact(Of("X-Amz-Date"), "yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
        if (begin.AddSeconds(int.Parse(Of("X-Amz-Expires"), CultureInfo.InvariantCulture)) < now) return "AccessDenied";
        var rest = query.Where(pair => pair.Name != "X-Amz-Signature").ToList();
        var made = Make(http, path, rest, Of("X-Amz-SignedHeaders"), Of("X-Amz-Date"), Of("X-Amz-Credential"), Unsigned);
        return made == Of("X-Amz-Signature") ? null : "SignatureDoesNotMatch";
    }

    private static string Make(
        HttpContext http, string path, List<(string Name, string Value)> query, string signedHeaders, string date, string credential, string payload)
    {
        var pairs = query.Select(pair => $"{Uri.EscapeDataString(pair.Name)}={Uri.EscapeDataString(pair.Value)}").Order(StringComparer.Ordinal);
        var headers = signedHeaders.Split(';').Select(name => $"{name}:{http.Request.Headers[name].ToString().Trim()}\n");
        var canonical = $"{http.Request.Method}\n{path}\n{string.Join('&', pairs)}\n{string.Concat(headers)}\n{signedHeaders}\n{payload}";
        var scope = credential.Split('/', 2);
        if (scope[0] != BucketCredentials.AccessKey) return "";
        var text = $"{Algorithm}\n{date}\n{scope[1]}\n{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(canonical)))}";
        var key = Encoding.UTF8.GetBytes("AWS4" + BucketCredentials.SecretKey);
        foreach (var part in scope[1].Split('/')) key = HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(part));
        return Convert.ToHexStringLower(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(text)));
    }
}

using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Marionette.TestBucket;

/// <summary>
/// Encrypt and Decrypt of AWS KMS in memory, as its API reference has them: signatures are held against the bytes, the encryption context is bound to what is wrapped, a key that is named
/// wrongly or disabled refuses.
/// </summary>
public sealed class StrictKeyService : IAsyncDisposable
{
    public const string Key = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", OtherKey = "mrk-0987dcba09fe87dc65ba43fe21dc87ba";

    private const string Json = "application/x-amz-json-1.1";

    private readonly WebApplication app;
    private int cuts;
    private readonly Dictionary<string, byte[]> keys = new(StringComparer.Ordinal) { [Key] = RandomNumberGenerator.GetBytes(32), [OtherKey] = RandomNumberGenerator.GetBytes(32) };

    private StrictKeyService(WebApplication app) => this.app = app;

    public Uri Endpoint { get; private set; } = null!;

    /// <summary>Refuses everything, as a key that is disabled does.</summary>
    public bool IsDisabled { get; set; }

    /// <summary>Requests that are cut off, the next ones first.</summary>
    public int Cuts { set => cuts = value; }

    /// <summary>Calls and their contexts, in order.</summary>
    public ConcurrentQueue<(string Call, string Context)> Calls { get; } = new();

    public static async Task<StrictKeyService> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var service = new StrictKeyService(app);
        app.Run(service.ServeAsync);
        await app.StartAsync();
        service.Endpoint = new Uri(app.Urls.Single());
        return service;
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();

    private async Task ServeAsync(HttpContext http)
    {
        using var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body, http.RequestAborted);
        if (Interlocked.Decrement(ref cuts) >= 0)
        {
            http.Abort();
            return;
        }

        var call = http.Request.Headers["X-Amz-Target"].ToString();
        if (http.Request.Method != "POST" || http.Request.Path != "/" || http.Request.ContentType != Json) await FailAsync(http, "UnknownOperationException");
        else if (Signature.Check(http, body.ToArray(), DateTimeOffset.UtcNow) is { } wrong) await FailAsync(http, wrong);
        else await AnswerAsync(http, call, JsonNode.Parse(body.ToArray())!.AsObject());
    }

    private Task AnswerAsync(HttpContext http, string call, JsonObject request)
    {
        if (IsDisabled) return FailAsync(http, "DisabledException");
        var id = request["KeyId"]!.GetValue<string>();
        if (!keys.TryGetValue(id, out var key)) return FailAsync(http, "NotFoundException");
        // A map has no order; the service's is its own.
        var context = string.Join('\n', (request["EncryptionContext"]?.AsObject() ?? []).OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}={pair.Value}"));
        Calls.Enqueue((call, context));
        return call switch
        {
            "TrentService.Encrypt" => EncryptAsync(http, id, key, Convert.FromBase64String(request["Plaintext"]!.GetValue<string>()), context),
            "TrentService.Decrypt" => DecryptAsync(http, id, key, Convert.FromBase64String(request["CiphertextBlob"]!.GetValue<string>()), context),
            _ => FailAsync(http, "UnknownOperationException"),
        };
    }

    private Task EncryptAsync(HttpContext http, string id, byte[] key, byte[] plain, string context)
    {
        if (plain.Length is 0 or > 4096) return FailAsync(http, "ValidationException");
        // The service's blob names its key: Decrypt tells another key from changed bytes.
        var name = Encoding.UTF8.GetBytes(id);
        var blob = new byte[1 + name.Length + 12 + 16 + plain.Length];
        blob[0] = (byte)name.Length;
        name.CopyTo(blob, 1);
        var (nonce, tag, sealedBytes) = Parts(blob, name.Length);
        RandomNumberGenerator.Fill(nonce);
        using var aes = new AesGcm(key, 16);
        aes.Encrypt(nonce, plain, sealedBytes, tag, Encoding.UTF8.GetBytes(context));
        return WriteAsync(http, 200, new JsonObject { ["CiphertextBlob"] = Convert.ToBase64String(blob), ["KeyId"] = id, ["EncryptionAlgorithm"] = "SYMMETRIC_DEFAULT" });
    }

    private static Task DecryptAsync(HttpContext http, string id, byte[] key, byte[] blob, string context)
    {
        if (blob.Length < 1 + blob[0] + 28) return FailAsync(http, "InvalidCiphertextException");
        if (Encoding.UTF8.GetString(blob, 1, blob[0]) != id) return FailAsync(http, "IncorrectKeyException");
        var plain = new byte[blob.Length - 1 - blob[0] - 28];
        try
        {
            var (nonce, tag, sealedBytes) = Parts(blob, blob[0]);
            using var aes = new AesGcm(key, 16);
            aes.Decrypt(nonce, sealedBytes, tag, plain, Encoding.UTF8.GetBytes(context));
        }
        catch (CryptographicException)
        {
            return FailAsync(http, "InvalidCiphertextException");
        }

        return WriteAsync(http, 200, new JsonObject { ["Plaintext"] = Convert.ToBase64String(plain), ["KeyId"] = id, ["EncryptionAlgorithm"] = "SYMMETRIC_DEFAULT" });
    }

    private static BlobParts Parts(byte[] blob, int name) => new(blob.AsSpan(1 + name, 12), blob.AsSpan(13 + name, 16), blob.AsSpan(29 + name));

    private static Task FailAsync(HttpContext http, string code) =>
        WriteAsync(http, 400, new JsonObject { ["__type"] = code, ["message"] = $"{code}, said with {BucketCredentials.SecretKey}-SECRET." });

    private static Task WriteAsync(HttpContext http, int status, JsonObject json)
    {
        (http.Response.StatusCode, http.Response.ContentType) = (status, Json);
        return http.Response.WriteAsync(json.ToJsonString(JsonSerializerOptions.Default));
    }

    private readonly ref struct BlobParts(Span<byte> nonce, Span<byte> tag, Span<byte> content)
    {
        private readonly Span<byte> nonce = nonce, tag = tag, content = content;

        public void Deconstruct(out Span<byte> first, out Span<byte> second, out Span<byte> rest) { first = nonce; second = tag; rest = content; }
    }
}

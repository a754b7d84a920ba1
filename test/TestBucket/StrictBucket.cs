using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Xml.Linq;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Marionette.TestBucket;

/// <summary>What happens to a request instead of its answer.</summary>
public enum Trouble
{
    None,

    /// <summary>503 SlowDown; nothing is done.</summary>
    SlowDown,

    /// <summary>The line is cut; nothing is done.</summary>
    Cut,

    /// <summary>It is done, and then the line is cut.</summary>
    CutAfter,

    /// <summary>It is done, and the answer's body ends half-way.</summary>
    CutBody,

    /// <summary>403 AccessDenied.</summary>
    Denied,
}

/// <summary>A request as it arrived.</summary>
/// <param name="IsPresigned">Its signature is in the query.</param>
public sealed record BucketRequest(string Method, string Key, bool IsPresigned, long Length)
{
    /// <summary>Which of the calls it is, by what its query has: "", "uploads", "uploadId", "list-type".</summary>
    public string Kind { get; init; } = "";
}

/// <summary>
/// One bucket in memory, as strict as the service: signatures and checksums are held against the bytes, conditions are kept, lists come in small pages. It makes
/// trouble when told to.
/// </summary>
public sealed partial class StrictBucket : IAsyncDisposable
{
    public const string Bucket = "strict-bucket";

    private readonly WebApplication app;
    private readonly ConcurrentDictionary<string, Stored> objects = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Parts> uploads = new(StringComparer.Ordinal);
    private readonly Lock gate = new();

    private StrictBucket(WebApplication app) => this.app = app;

    public Uri Endpoint { get; private set; } = null!;

    /// <summary>Objects in a page of a list.</summary>
    public int PageSize { get; init; } = 3;

    /// <summary>Takes puts whatever their conditions say, as some servers do.</summary>
    public bool IgnoresConditions { get; set; }

    /// <summary>Asked before each request.</summary>
    public Func<BucketRequest, Trouble> Before { get; set; } = _ => Trouble.None;

    /// <summary>The server's time for requests that run out.</summary>
    public TimeProvider Clock { get; set; } = TimeProvider.System;

    /// <summary>All requests, in the order of their arrival.</summary>
    public ConcurrentQueue<BucketRequest> Requests { get; } = new();

    /// <summary>Keys of all objects.</summary>
    public IReadOnlyList<string> Keys => [.. objects.Keys.Order(StringComparer.Ordinal)];

    /// <summary>Uploads in parts that were neither completed nor aborted.</summary>
    public int OpenUploads => uploads.Count;

    private sealed record Stored(byte[] Content, DateTimeOffset Written, Dictionary<string, string> Metadata)
    {
        public string ETag => $"\"{Convert.ToHexStringLower(SHA256.HashData(Content))[..32]}\"";
    }

    private sealed record Parts(string Key, Dictionary<string, string> Metadata, ConcurrentDictionary<int, byte[]> Content);

    public static async Task<StrictBucket> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = null).UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var bucket = new StrictBucket(app);
        app.Run(bucket.ServeAsync);
        await app.StartAsync();
        bucket.Endpoint = new Uri(app.Urls.Single());
        return bucket;
    }

    /// <summary>An object's bytes.</summary>
    public byte[] Content(string key) => objects[key].Content;

    /// <summary>Puts one past all checks.</summary>
    public void Put(string key, byte[] content) => objects[key] = new Stored(content, Clock.GetUtcNow(), []);

    public ValueTask DisposeAsync() => app.DisposeAsync();

    private async Task ServeAsync(HttpContext http)
    {
        using var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body, http.RequestAborted);
        var content = body.ToArray();
        var path = http.Request.Path.Value!.TrimStart('/').Split('/', 2);
        var key = path.Length < 2 ? "" : path[1];
        var request = new BucketRequest(http.Request.Method, key, http.Request.Query.ContainsKey("X-Amz-Signature"), content.Length)
        {
            Kind = new[] { "uploads", "uploadId", "list-type" }.FirstOrDefault(http.Request.Query.ContainsKey) ?? "",
        };
        Requests.Enqueue(request);
        var trouble = Before(request);
        switch (trouble)
        {
            case Trouble.SlowDown:
                await FailAsync(http, 503, "SlowDown");
                return;
            case Trouble.Denied:
                await FailAsync(http, 403, "AccessDenied");
                return;
            case Trouble.Cut:
                http.Abort();
                return;
        }

        if (trouble == Trouble.CutAfter)
        {
            var answer = http.Response.Body;
            http.Response.Body = Stream.Null;
            await AnswerAsync(http, path[0], key, content, cut: false);
            http.Response.Body = answer;
            http.Abort();
            return;
        }

        await AnswerAsync(http, path[0], key, content, trouble == Trouble.CutBody);
    }

    private Task AnswerAsync(HttpContext http, string bucket, string key, byte[] content, bool cut)
    {
        if (Signature.Check(http, content, Clock.GetUtcNow()) is { } wrong) return FailAsync(http, 403, wrong);
        if (bucket != Bucket) return FailAsync(http, 404, "NoSuchBucket");
        if (http.Request.Headers["x-amz-checksum-sha256"].ToString() is { Length: > 0 } sum && sum != Convert.ToBase64String(SHA256.HashData(content)))
            return FailAsync(http, 400, "XAmzContentChecksumMismatch");
        var query = http.Request.Query;
        return (http.Request.Method, key) switch
        {
            ("GET", "") => ListAsync(http),
            ("GET", _) or ("HEAD", _) => ReadAsync(http, key, cut),
            ("POST", _) when query.ContainsKey("uploads") => BeginAsync(http, key),
            ("PUT", _) when query.ContainsKey("uploadId") => PutPartAsync(http, content),
            ("POST", _) when query.ContainsKey("uploadId") => CompleteAsync(http, key, content),
            ("DELETE", _) when query.ContainsKey("uploadId") => AbortAsync(http),
            ("PUT", _) => PutAsync(http, key, new Stored(content, DateTimeOffset.UtcNow, MetadataOf(http))),
            ("DELETE", _) => DeleteAsync(http, key),
            _ => FailAsync(http, 405, "MethodNotAllowed"),
        };
    }

    private static Dictionary<string, string> MetadataOf(HttpContext http) =>
        http.Request.Headers.Where(header => header.Key.StartsWith("x-amz-meta-", StringComparison.OrdinalIgnoreCase)).ToDictionary(header => header.Key, header => header.Value.ToString());

    private static async Task FailAsync(HttpContext http, int status, string code)
    {
        http.Response.StatusCode = status;
        if (http.Request.Method == "HEAD") return;
        await WriteAsync(http, new XElement("Error", new XElement("Code", code), new XElement("Message", $"{code}, said with {BucketCredentials.SecretKey}-SECRET.")));
    }

    private static Task WriteAsync(HttpContext http, XElement xml)
    {
        http.Response.ContentType = "application/xml";
        return http.Response.WriteAsync(xml.ToString(SaveOptions.DisableFormatting));
    }
}

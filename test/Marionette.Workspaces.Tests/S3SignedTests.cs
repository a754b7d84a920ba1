using System.Net;
using System.Security.Cryptography;
using Marionette.TestBucket;
using Marionette.Workspaces.S3;
using Marionette.Workspaces.Tests.Support;
using Microsoft.Extensions.Time.Testing;

namespace Marionette.Workspaces.Tests;

/// <summary>A signed request opens what it was signed for, and nothing else.</summary>
public sealed class S3SignedTests : IAsyncLifetime
{
    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(5);

    private readonly HttpClient _http = new();
    private StrictBucket _server = null!;
    private S3BlobStore _store = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        BucketCredentials.Use();
        _server = await StrictBucket.StartAsync();
        _store = new S3BlobStore(S3Place.Parse($"s3://{StrictBucket.Bucket}/pre", _server.Endpoint.ToString()), TimeProvider.System);
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        _store.Dispose();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task Put_StoresTheBytes_OnceAndForAll()
    {
        var bytes = Bytes.Random(1, 200_000);
        var signed = await SignAsync(bytes);
        Assert.Equal(HttpStatusCode.OK, await SendAsync(HttpMethod.Put, signed, bytes));
        Assert.Equal(bytes, _server.Content("pre/acme/packs/p"));
        Assert.Equal(HttpStatusCode.PreconditionFailed, await SendAsync(HttpMethod.Put, signed, bytes));
    }

    [Theory]
    [InlineData("other bytes", HttpStatusCode.BadRequest)]
    [InlineData("more bytes", HttpStatusCode.Forbidden)]
    [InlineData("other checksum", HttpStatusCode.Forbidden)]
    [InlineData("no checksum", HttpStatusCode.Forbidden)]
    [InlineData("no condition", HttpStatusCode.Forbidden)]
    [InlineData("other object", HttpStatusCode.Forbidden)]
    [InlineData("read", HttpStatusCode.Forbidden)]
    [InlineData("delete", HttpStatusCode.Forbidden)]
    [InlineData("too late", HttpStatusCode.Forbidden)]
    public async Task Put_OfAnythingElse_IsRefused(string what, HttpStatusCode status)
    {
        var bytes = Bytes.Random(1, 1000);
        var signed = await SignAsync(bytes);
        var headers = signed.Headers.ToDictionary(header => header.Key, header => header.Value);
        var method = HttpMethod.Put;
        switch (what)
        {
            case "other bytes": bytes = Bytes.Random(2, 1000); break;
            case "more bytes":
                bytes = Bytes.Random(2, 1001);
                headers["content-length"] = "1001";
                break;
            case "other checksum":
                bytes = Bytes.Random(2, 1000);
                headers["x-amz-checksum-sha256"] = Convert.ToBase64String(SHA256.HashData(bytes));
                break;
            case "no checksum": headers.Remove("x-amz-checksum-sha256"); break;
            case "no condition": headers.Remove("if-none-match"); break;
            case "other object": signed = signed with { Url = new Uri(signed.Url.AbsoluteUri.Replace("packs/p", "packs/q", StringComparison.Ordinal)) }; break;
            case "read": (method, headers) = (HttpMethod.Get, []); break;
            case "delete": (method, headers) = (HttpMethod.Delete, []); break;
            case "too late":
                var clock = new FakeTimeProvider(DateTimeOffset.UtcNow);
                clock.Advance(Lifetime + TimeSpan.FromMinutes(1));
                _server.Clock = clock;
                break;
        }

        Assert.Equal(status, await SendAsync(method, signed with { Headers = [.. headers] }, method == HttpMethod.Put ? bytes : null));
        Assert.Empty(_server.Keys);
    }

    [Fact]
    public async Task Get_ReadsTheOneObject_InParts()
    {
        var bytes = Bytes.Random(1, 1000);
        _server.Put("pre/acme/packs/p", bytes);
        _server.Put("pre/acme/packs/q", bytes);
        var signed = await _store.SignGetAsync("acme/packs/p", Lifetime, Token);
        using var request = new HttpRequestMessage(HttpMethod.Get, signed.Url);
        request.Headers.Range = new(100, 199);
        using var answer = await _http.SendAsync(request, Token);
        Assert.Equal(HttpStatusCode.PartialContent, answer.StatusCode);
        Assert.Equal(bytes[100..200], await answer.Content.ReadAsByteArrayAsync(Token));
        var other = new Uri(signed.Url.AbsoluteUri.Replace("packs/p", "packs/q", StringComparison.Ordinal));
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(HttpMethod.Get, signed with { Url = other }, null));
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(HttpMethod.Put, signed, bytes));
    }

    [Fact]
    public async Task Put_WhereConditionsAreNotKept_AsksForNone()
    {
        _server.IgnoresConditions = true;
        var bytes = Bytes.Random(1, 1000);
        var signed = await SignAsync(bytes);
        Assert.DoesNotContain(signed.Headers, header => header.Key == "if-none-match");
        Assert.Equal(HttpStatusCode.OK, await SendAsync(HttpMethod.Put, signed, bytes));
    }

    private Task<SignedRequest> SignAsync(byte[] bytes) => _store.SignPutAsync("acme/packs/p", bytes.Length, SHA256.HashData(bytes), Lifetime, Token);

    private async Task<HttpStatusCode> SendAsync(HttpMethod method, SignedRequest signed, byte[]? bytes)
    {
        using var request = new HttpRequestMessage(method, signed.Url);
        if (bytes is not null) request.Content = new ByteArrayContent(bytes);
        foreach (var (name, value) in signed.Headers)
            if (!request.Headers.TryAddWithoutValidation(name, value)) request.Content?.Headers.TryAddWithoutValidation(name, value);
        using var answer = await _http.SendAsync(request, Token);
        return answer.StatusCode;
    }
}

using System.Net;
using System.Net.Sockets;
using System.Text;
using Marionette.Agent.Broker;
using Marionette.Agent.Runs;
using Marionette.Agent.Tests.Support;
using Marionette.Protocol.V1;
using Microsoft.AspNetCore.Http;

namespace Marionette.Agent.Tests.Broker;

public sealed class BrokerTests
{
    private const string Key = "sk-ant-canary-real-key";

    [Theory]
    [InlineData("x-api-key", "{0}", "x-api-key", Key)]
    [InlineData("Authorization", "Bearer {0}", "Authorization", "Bearer " + Key)]
    public async Task Credential_IsReplaced_WhereItStood(string name, string value, string expectedName, string expected)
    {
        await using var world = await World.StartAsync(async context =>
        {
            var headers = context.Request.Headers;
            await context.Response.WriteAsync(string.Join('\n', headers.Select(h => $"{h.Key}={h.Value}")));
        });
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/messages?beta=true") { Content = new StringContent("{}") };
        request.Headers.TryAddWithoutValidation(name, string.Format(value, world.Broker.Token));
        request.Headers.Add("anthropic-version", "2023-06-01");
        request.Headers.Add("Connection", "X-Only-For-You");
        request.Headers.Add("X-Only-For-You", "1");
        using var response = await world.Client.SendAsync(request);
        var seen = (await response.Content.ReadAsStringAsync()).Split('\n');
        Assert.Contains($"{expectedName}={expected}", seen, StringComparer.OrdinalIgnoreCase);
        Assert.Contains("anthropic-version=2023-06-01", seen);
        Assert.DoesNotContain(seen, line => line.Contains(world.Broker.Token, StringComparison.Ordinal));
        Assert.DoesNotContain(seen, line => line.StartsWith("X-Only", StringComparison.OrdinalIgnoreCase));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("wrong")]
    [InlineData("mnb_0000000000000000000000000000000000000000000000000000000000000000")]
    public async Task Request_WithoutTheToken_Is401_AndNeverForwarded(string? key)
    {
        var asked = 0;
        await using var world = await World.StartAsync(_ =>
        {
            asked++;
            return Task.CompletedTask;
        });
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/messages") { Content = new StringContent("{}") };
        if (key is not null)
            request.Headers.Add("x-api-key", key);
        using var response = await world.Client.SendAsync(request);
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        Assert.Contains("authentication_error", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(0, asked);
    }

    [Fact]
    public async Task Answer_StreamsPieceByPiece_BothWays()
    {
        var upstreamGot = new TaskCompletionSource();
        var clientGot = new TaskCompletionSource();
        await using var world = await World.StartAsync(async context =>
        {
            // The first half of the request is here before its second half was sent.
            var buffer = new byte[5];
            await context.Request.Body.ReadExactlyAsync(buffer);
            upstreamGot.SetResult();
            using var rest = new StreamReader(context.Request.Body);
            var text = Encoding.UTF8.GetString(buffer) + await rest.ReadToEndAsync();
            context.Response.ContentType = "text/event-stream";
            await context.Response.WriteAsync("data: " + text + "\n\n");
            await context.Response.Body.FlushAsync();
            await clientGot.Task;
            await context.Response.WriteAsync("data: end\n\n");
        });
        using var request = world.Post(new PushContent(async stream =>
        {
            await stream.WriteAsync("first"u8.ToArray());
            await stream.FlushAsync();
            await upstreamGot.Task.WaitAsync(TimeSpan.FromSeconds(20));
            await stream.WriteAsync(" second"u8.ToArray());
        }));
        using var response = await world.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.ToString());
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        Assert.Equal("data: first second", await reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(20)));
        clientGot.SetResult();
        Assert.Equal("\ndata: end\n\n", await reader.ReadToEndAsync());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(100_000)]
    [InlineData(30_000_000)]
    public async Task Bodies_PassUnchanged(int size)
    {
        await using var world = await World.StartAsync(async context =>
        {
            context.Response.StatusCode = 207;
            context.Response.Headers["request-id"] = "req_1";
            context.Response.Headers["retry-after"] = "7";
            using var whole = new MemoryStream();
            await context.Request.Body.CopyToAsync(whole);
            await context.Response.Body.WriteAsync(whole.GetBuffer().AsMemory(0, (int)whole.Length));
        });
        var body = new byte[size];
        new Random(size).NextBytes(body);
        for (var i = 0; i < 2; i++) // twice: the connection is used again
        {
            using var request = world.Post(new ByteArrayContent(body));
            using var response = await world.Client.SendAsync(request);
            Assert.Equal(207, (int)response.StatusCode);
            Assert.Equal("req_1", response.Headers.GetValues("request-id").Single());
            Assert.Equal("7", response.Headers.GetValues("retry-after").Single());
            var answer = await response.Content.ReadAsByteArrayAsync();
            Assert.True(answer.AsSpan().SequenceEqual(body));
        }

        Assert.Equal(1, world.UpstreamConnections);
    }

    [Fact]
    public async Task CutAnswer_IsCutForTheClientToo()
    {
        var clientGot = new TaskCompletionSource();
        await using var world = await World.StartAsync(async context =>
        {
            await context.Response.WriteAsync("data: half");
            await context.Response.Body.FlushAsync();
            await clientGot.Task; // a reset overtakes what is still under way
            context.Abort();
        });
        using var request = world.Post(new StringContent("{}"));
        using var response = await world.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        clientGot.SetResult();
        await Assert.ThrowsAnyAsync<Exception>(() => response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task ClientThatGoesAway_EndsTheModelsWork()
    {
        var asked = new TaskCompletionSource();
        var aborted = new TaskCompletionSource();
        await using var world = await World.StartAsync(async context =>
        {
            asked.SetResult();
            context.RequestAborted.Register(() => aborted.TrySetResult());
            await aborted.Task; // no byte of an answer yet
        });
        using var give = new CancellationTokenSource();
        using var request = world.Post(new StringContent("{}"));
        var sending = world.Client.SendAsync(request, give.Token);
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(20));
        await give.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending);
        await aborted.Task.WaitAsync(TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task UnreachableModel_Is502_InTheModelsOwnShape()
    {
        await using var world = await World.StartAsync(_ => Task.CompletedTask);
        world.Setup.Set(new Setup { ApiKey = Key, BaseUrl = "http://127.0.0.1:1" });
        using var request = world.Post(new StringContent("{}"));
        using var response = await world.Client.SendAsync(request);
        Assert.Equal(HttpStatusCode.BadGateway, response.StatusCode);
        using var error = System.Text.Json.JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        Assert.Equal("api_error", error.RootElement.GetProperty("error").GetProperty("type").GetString());
        Assert.Contains("127.0.0.1:1", error.RootElement.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task NewKey_CountsFromTheNextRequest()
    {
        await using var world = await World.StartAsync(context => context.Response.WriteAsync(context.Request.Headers["x-api-key"]!));
        Assert.Equal(Key, await world.AskAsync());
        world.Setup.Set(new Setup { ApiKey = "sk-rotated", BaseUrl = world.Setup.Current.BaseUrl });
        Assert.Equal("sk-rotated", await world.AskAsync());
    }

    [Fact]
    public async Task PrefixOfTheBaseUrl_IsKept()
    {
        await using var world = await World.StartAsync(context =>
            context.Response.WriteAsync(context.Request.Path + context.Request.QueryString));
        world.Setup.Set(new Setup { ApiKey = Key, BaseUrl = world.Setup.Current.BaseUrl.TrimEnd('/') + "/proxy/" });
        Assert.Equal("/proxy/v1/messages?beta=true", await world.AskAsync());
    }

    [Fact]
    public async Task HeadRequest_HasNoBody_AndTheConnectionGoesOn()
    {
        await using var world = await World.StartAsync(context =>
        {
            context.Response.ContentLength = 10;
            return context.Request.Method == "HEAD" ? Task.CompletedTask : context.Response.WriteAsync("0123456789");
        });
        using var head = new HttpRequestMessage(HttpMethod.Head, "/");
        head.Headers.Add("x-api-key", world.Broker.Token);
        using var response = await world.Client.SendAsync(head);
        Assert.Equal(10, response.Content.Headers.ContentLength);
        Assert.Equal("0123456789", await world.AskAsync());
    }

    [Theory]
    [InlineData("GET http://evil.example/ HTTP/1.1\r\nHost: a\r\nx-api-key: {0}\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\nx-api-key: {0}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\nx-api-key: {0}\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc")]
    [InlineData("POST / HTTP/1.1\r\nx-api-key: {0}\r\nContent-Length: -1\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\nx-api-key: {0}\r\nTransfer-Encoding: gzip\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\nx-api-key : {0}\r\n\r\n")]
    [InlineData("GARBAGE\r\n\r\n")]
    public async Task AmbiguousRequest_IsRefused(string raw)
    {
        var asked = 0;
        await using var world = await World.StartAsync(_ =>
        {
            asked++;
            return Task.CompletedTask;
        });
        using var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, world.Broker.Port);
        await socket.GetStream().WriteAsync(Encoding.ASCII.GetBytes(string.Format(raw, world.Broker.Token)));
        using var reader = new StreamReader(socket.GetStream());
        Assert.StartsWith("HTTP/1.1 400", await reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(20)), StringComparison.Ordinal);
        Assert.Equal(0, asked);
    }

    [Fact]
    public async Task ManyRequestsAtOnce_KeepApart()
    {
        await using var world = await World.StartAsync(async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            await context.Response.WriteAsync(await reader.ReadToEndAsync());
        });
        var answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(async i =>
        {
            using var request = world.Post(new StringContent(new string((char)('a' + (i % 26)), 10_000 + i)));
            using var response = await world.Client.SendAsync(request);
            return await response.Content.ReadAsStringAsync();
        }));
        for (var i = 0; i < answers.Length; i++)
            Assert.Equal(new string((char)('a' + (i % 26)), 10_000 + i), answers[i]);
    }

    private sealed class PushContent(Func<Stream, Task> write) : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => write(stream);

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }

    private sealed class World : IAsyncDisposable
    {
        private readonly ModelStub model;

        private World(ModelStub model)
        {
            this.model = model;
            Setup.Set(new Setup { ApiKey = Key, BaseUrl = model.Url });
            Broker = CredentialBroker.Start(Setup, TimeProvider.System, new RecordingLogger());
            Client = new HttpClient { Timeout = TimeSpan.FromSeconds(30), BaseAddress = new Uri(Broker.BaseUrl) };
        }

        public SetupHolder Setup { get; } = new();

        public CredentialBroker Broker { get; }

        public HttpClient Client { get; }

        public int UpstreamConnections => model.Connections;

        public static async Task<World> StartAsync(RequestDelegate answer) => new(await ModelStub.StartAsync(answer));

        public HttpRequestMessage Post(HttpContent content)
        {
            var request = new HttpRequestMessage(HttpMethod.Post, "/v1/messages?beta=true") { Content = content };
            request.Headers.Add("x-api-key", Broker.Token);
            return request;
        }

        public async Task<string> AskAsync()
        {
            using var request = Post(new StringContent("{}"));
            using var response = await Client.SendAsync(request);
            return await response.Content.ReadAsStringAsync();
        }

        public async ValueTask DisposeAsync()
        {
            Client.Dispose();
            await Broker.DisposeAsync();
            await model.DisposeAsync();
        }
    }
}

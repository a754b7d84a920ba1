using System.Net;
using static Marionette.ModelServer.Tests.Requests;

namespace Marionette.ModelServer.Tests;

public sealed class FailureTests : ServerTest
{
    [Theory]
    [InlineData("not json")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"model":"m","max_tokens":1}""")]
    [InlineData("""{"model":"m","max_tokens":1,"messages":[]}""")]
    [InlineData("""{"model":"m","max_tokens":1,"messages":"hi"}""")]
    [InlineData("""{"model":"m","max_tokens":1,"messages":[1]}""")]
    [InlineData("""{"model":"m","max_tokens":1,"messages":[{"role":"user"}]}""")]
    [InlineData("""{"model":"m","max_tokens":1,"messages":[{"role":"robot","content":"x"}]}""")]
    [InlineData("""{"model":"m","max_tokens":1,"messages":[{"role":"user","content":7}]}""")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}]}""")]
    [InlineData("""{"model":"m","max_tokens":0,"messages":[{"role":"user","content":"x"}]}""")]
    [InlineData("""{"model":7,"max_tokens":1,"messages":[{"role":"user","content":"x"}]}""")]
    [InlineData("""{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"@scenario nonsense"}]}""")]
    public async Task Post_MalformedBody_IsInvalid(string body)
    {
        using var content = new StringContent(body);
        using var response = await Client.PostAsync(new Uri("/v1/messages", UriKind.Relative), content, Deadline);

        await AssertErrorAsync(response, 400, "invalid_request_error");
    }

    [Theory]
    [InlineData(400, "invalid_request_error")]
    [InlineData(401, "authentication_error")]
    [InlineData(429, "rate_limit_error")]
    [InlineData(500, "api_error")]
    [InlineData(529, "overloaded_error")]
    public async Task Status_TwiceThenFine_CountsByItself(int code, string type)
    {
        var body = Body(true, User($"@scenario status code={code} times=2 retry_after=7"));
        for (var attempt = 0; attempt < 2; attempt++)
        {
            using var refused = await PostAsync(body);
            await AssertErrorAsync(refused, code, type);
            Assert.Equal(TimeSpan.FromSeconds(7), refused.Headers.RetryAfter!.Delta);
        }

        using var answered = await PostAsync(body);
        Assert.Equal(HttpStatusCode.OK, answered.StatusCode);
    }

    [Fact]
    public async Task Status_OfOneSession_IsNotCountedForAnother()
    {
        var body = Body(true, User("@scenario status code=429 times=1"));
        using var first = await PostAsync(body, session: "a");
        using var other = await PostAsync(body, session: "b");
        using var again = await PostAsync(body, session: "a");

        Assert.Equal([429, 429, 200], new[] { first, other, again }.Select(r => (int)r.StatusCode));
    }

    [Fact]
    public async Task Status_RetryCountInTheHeader_IsBelieved()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/messages")
        {
            Content = Content(Body(true, User("@scenario status code=529 times=2"))),
        };
        request.Headers.Add("x-stainless-retry-count", "2");
        using var response = await Client.SendAsync(request, Deadline);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Fact]
    public async Task Drop_FirstStream_BreaksOffAfterItsBeginning()
    {
        var body = Body(true, User("@scenario drop after=4 text=\"A whole sentence.\""));
        using var response = await PostAsync(body);
        using var reader = new SseReader(await response.Content.ReadAsStreamAsync(Deadline));
        var seen = new List<System.Text.Json.Nodes.JsonObject>();
        var cut = await Assert.ThrowsAsync<HttpIOException>(async () =>
        {
            while (await reader.ReadAsync(Deadline) is { } item) seen.Add(item);
        });

        Assert.Equal(HttpRequestError.ResponseEnded, cut.HttpRequestError);
        Assert.Equal("A wh", SseReader.TextOf(seen));
        using var retry = await PostAsync(body);
        using var second = new SseReader(await retry.Content.ReadAsStreamAsync(Deadline));
        Assert.Equal("A whole sentence.", SseReader.TextOf(await second.ReadAllAsync(Deadline)));
    }

    [Fact]
    public async Task StreamError_FirstStream_EndsInAnErrorEvent()
    {
        var events = await StreamAsync(User("@scenario stream_error type=overloaded_error after=3"));

        Assert.Equal("error", (string?)events[^1]["type"]);
        Assert.Equal("overloaded_error", (string?)events[^1]["error"]!["type"]);
    }

    [Fact]
    public async Task Post_UnknownPath_IsNotFound()
    {
        using var response = await Client.GetAsync(new Uri("/v1/nothing", UriKind.Relative), Deadline);

        await AssertErrorAsync(response, 404, "not_found_error");
    }

    [Fact]
    public async Task Post_BodyOverTheLimit_IsTooLarge()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/messages")
        {
            // Only promised: the server has to refuse by the length, before it reads.
            Content = new PromisedContent(ScriptedModelServer.MaxBodyBytes + 1L),
        };
        request.Headers.ExpectContinue = true;
        using var response = await Client.SendAsync(request, Deadline);

        await AssertErrorAsync(response, 413, "request_too_large");
    }

    private sealed class PromisedContent(long length) : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            throw new InvalidOperationException("the body was asked for");

        protected override bool TryComputeLength(out long computed)
        {
            computed = length;
            return true;
        }
    }
}

using System.Text.Json.Nodes;
using Marionette.ModelServer.Http;
using static Marionette.ModelServer.Tests.Requests;

namespace Marionette.ModelServer.Tests;

public sealed class KeyTests : ServerTest
{
    private readonly string _log = Path.GetTempFileName();

    protected override ModelServerOptions Options => new() { RequiredKey = "sk-right", LogFile = _log };

    [Theory]
    [InlineData("x-api-key", "sk-right", 200)]
    [InlineData("Authorization", "Bearer sk-right", 200)]
    [InlineData("Authorization", "Basic sk-right", 401)]
    [InlineData("x-api-key", "sk-wrong", 401)]
    [InlineData("x-api-key", "sk-bad-right", 401)]
    [InlineData("x-other", "sk-right", 401)]
    public async Task Key_OnlyTheRequiredOne_IsLetIn(string header, string value, int expected)
    {
        using var response = await AskAsync(header, value);

        if (expected == 200) Assert.Equal(200, (int)response.StatusCode);
        else await AssertErrorAsync(response, 401, "authentication_error");
    }

    [Theory]
    [InlineData("sk-bad", false)]
    [InlineData("sk-bad-1", false)]
    [InlineData("sk-other", true)]
    public void Demand_WithoutARequiredKey_RefusesBadOnesAlone(string key, bool accepted)
    {
        var failure = Record.Exception(() => new KeyCheck(null).Demand(key));

        Assert.Equal(accepted, failure is null);
    }

    [Fact]
    public void Demand_RequiredByHash_AcceptsItsKey()
    {
        var check = new KeyCheck("sha256:" + KeyCheck.Hash("sk-right").ToUpperInvariant());

        check.Demand("sk-right");
        Assert.Throws<ApiException>(() => check.Demand("sk-wrong"));
    }

    [Fact]
    public async Task Journal_Request_HasItsFactsAndNeverTheKey()
    {
        using (await AskAsync("x-api-key", "sk-right")) { }
        using (await AskAsync("x-api-key", "sk-canary")) { }

        Assert.Equal(
            [(200, "say", KeyCheck.Hash("sk-right")), (401, null, KeyCheck.Hash("sk-canary"))],
            Server.Requests.Select(r => (r.Status, r.Scenario, r.KeySha256)));
        await using var stream = new FileStream(_log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream);
        var text = await reader.ReadToEndAsync(Deadline);
        Assert.DoesNotContain("sk-", text);
        var lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonNode.Parse(l)!).ToList();
        Assert.Equal([200, 401], lines.Select(l => (int)l["status"]!));
        Assert.Equal("session-1", (string?)lines[0]["session"]);
        Assert.Equal(0, (int)lines[0]["step"]!);
    }

    private async Task<HttpResponseMessage> AskAsync(string header, string value)
    {
        using var client = new HttpClient { BaseAddress = Server.Url };
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/messages")
        {
            Content = Content(Body(true, User("@scenario say text=hi"))),
        };
        request.Headers.TryAddWithoutValidation(header, value);
        request.Headers.Add("x-claude-code-session-id", "session-1");
        return await client.SendAsync(request, HttpCompletionOption.ResponseContentRead, Deadline);
    }
}

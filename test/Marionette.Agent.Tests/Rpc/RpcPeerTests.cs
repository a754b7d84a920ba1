using System.Text;
using System.Text.Json;
using Marionette.Agent.Agents.Rpc;

namespace Marionette.Agent.Tests.Rpc;

public sealed class RpcPeerTests
{
    private readonly Wire wire = new();

    [Fact]
    public async Task Call_AnsweredByNumber_GivesTheResult()
    {
        var call = wire.Peer.CallAsync("a", json => json.WriteNumber("x", 1));
        Assert.Equal("""{"jsonrpc":"2.0","id":0,"method":"a","params":{"x":1}}""", wire.Sent[0]);
        wire.Take("""{"id":0,"result":{"y":2}}""");
        Assert.Equal(2, (await call).GetProperty("y").GetInt32());
    }

    [Fact]
    public async Task Call_AnsweredWithNull_GivesNull()
    {
        var call = wire.Peer.CallAsync("a", null);
        wire.Take("""{"id":0,"result":null}""");
        Assert.Equal(JsonValueKind.Null, (await call).ValueKind);
    }

    [Theory]
    [InlineData("""{"code":-32000,"message":"no"}""", "no")]
    [InlineData("""{"code":-32603,"message":"Internal error","data":{"details":"invalid x-api-key"}}""", "Internal error: invalid x-api-key")]
    [InlineData("""{"code":-32603,"message":"Internal error","data":"disk full"}""", "Internal error: disk full")]
    [InlineData("""{"code":1}""", "an error without a message")]
    public async Task Call_AnsweredWithAnError_Throws(string error, string message)
    {
        var call = wire.Peer.CallAsync("a", null);
        wire.Take($$"""{"id":0,"error":{{error}}}""");
        var thrown = await Assert.ThrowsAsync<RpcException>(() => call);
        Assert.Equal(("a", message), (thrown.Method, thrown.Message));
    }

    [Fact]
    public async Task Calls_AnsweredInAnyOrder_EachGetTheirOwn()
    {
        var calls = Enumerable.Range(0, 50).Select(_ => wire.Peer.CallAsync("a", null)).ToArray();
        foreach (var id in Enumerable.Range(0, 50).Reverse())
            wire.Take($$$"""{"id":{{{id}}},"result":{"is":{{{id}}}}}""");
        for (var id = 0; id < 50; id++)
            Assert.Equal(id, (await calls[id]).GetProperty("is").GetInt32());
    }

    [Fact]
    public void Request_OfTheOtherSide_WithOurNumber_IsNoAnswerOfOurs()
    {
        var call = wire.Peer.CallAsync("a", null);
        wire.Take("""{"id":0,"method":"b","params":{"z":3}}""");
        Assert.False(call.IsCompleted);
        Assert.Equal("request 0 b {\"z\":3}", Assert.Single(wire.Heard));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("\"uuid-1\"")]
    [InlineData("9007199254740993")]
    public async Task Request_IsAnsweredUnderItsOwnId(string id)
    {
        wire.Take($$"""{"id":{{id}},"method":"b"}""");
        await wire.Peer.AnswerAsync(id, json => json.WriteBoolean("ok", true));
        await wire.Peer.RefuseAsync(id, RpcException.MethodNotFound, "no");
        Assert.Equal($$$"""{"jsonrpc":"2.0","id":{{{id}}},"result":{"ok":true}}""", wire.Sent[0]);
        Assert.Equal($$$"""{"jsonrpc":"2.0","id":{{{id}}},"error":{"code":-32601,"message":"no"}}""", wire.Sent[1]);
    }

    [Theory]
    [InlineData("not json", "not valid JSON")]
    [InlineData("[1]", "not a JSON object")]
    [InlineData("{}", "neither a request nor an answer")]
    [InlineData("{\"id\":null,\"result\":1}", "neither a request nor an answer")]
    public void Line_ThatIsNoMessage_IsTold_AndTheNextOneWorks(string line, string what)
    {
        wire.Take(line);
        wire.Take("""{"method":"n"}""");
        Assert.Equal([$"malformed {what}", "notification n "], wire.Heard);
    }

    [Fact]
    public void Line_ThatIsTooLong_IsToldOnce_AndSkipped()
    {
        wire.Peer.Take("{\"method\":"u8.ToArray(), partial: true);
        wire.Peer.Take("\"n\""u8.ToArray(), partial: true);
        wire.Peer.Take("}"u8.ToArray(), partial: false);
        wire.Take("""{"method":"n"}""");
        Assert.Equal(["malformed longer than 64 MiB", "notification n "], wire.Heard);
    }

    [Fact]
    public void Line_OfFortyMegabytes_IsTaken()
    {
        var text = new string('x', 40 << 20);
        wire.Take($$$"""{"method":"n","params":{"t":"{{{text}}}"}}""");
        Assert.Equal(text.Length + "notification n {\"t\":\"\"}".Length, Assert.Single(wire.Heard).Length);
    }

    [Fact]
    public async Task Close_FailsWhatWaits_AndWhatComes()
    {
        var call = wire.Peer.CallAsync("a", null);
        wire.Peer.Close("It ended.");
        Assert.Equal("It ended.", (await Assert.ThrowsAsync<IOException>(() => call)).Message);
        await Assert.ThrowsAsync<IOException>(() => wire.Peer.CallAsync("b", null));
    }

    [Fact]
    public async Task Call_GivenUp_DropsTheLateAnswer()
    {
        using var stop = new CancellationTokenSource();
        var call = wire.Peer.CallAsync("a", null, stop.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        wire.Take("""{"id":0,"result":{}}""");
        Assert.Empty(wire.Heard);
    }

    [Fact]
    public async Task Write_ToAPeerThatIsGone_IsAnIoException_AndAnAnswerIsFalse()
    {
        var gone = new RpcPeer(_ => throw new IOException("gone"), wire);
        await Assert.ThrowsAsync<IOException>(() => gone.CallAsync("a", null));
        Assert.False(await gone.AnswerAsync("0"));
    }

    private sealed class Wire : IRpcHandler
    {
        public Wire() => Peer = new RpcPeer(
            line =>
            {
                Assert.Equal((byte)'\n', line.Span[^1]);
                Sent.Add(Encoding.UTF8.GetString(line.Span[..^1]));
                return Task.CompletedTask;
            },
            this);

        public RpcPeer Peer { get; }

        public List<string> Sent { get; } = [];

        public List<string> Heard { get; } = [];

        public void Take(string line) => Peer.Take(Encoding.UTF8.GetBytes(line), partial: false);

        public void OnRequest(RpcPeer peer, string id, string method, JsonElement parameters) =>
            Heard.Add($"request {id} {method} {(parameters.ValueKind == JsonValueKind.Undefined ? "" : parameters.GetRawText())}");

        public void OnNotification(RpcPeer peer, string method, JsonElement parameters) =>
            Heard.Add($"notification {method} {(parameters.ValueKind == JsonValueKind.Undefined ? "" : parameters.GetRawText())}");

        public void OnMessage(RpcPeer peer, ReadOnlyMemory<byte> line)
        {
        }

        public void OnMalformed(RpcPeer peer, ReadOnlyMemory<byte> line, string what) => Heard.Add($"malformed {what}");
    }
}

using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>Readers of a session's events: slow ones, vanishing ones, many, and every way to ask for a part.</summary>
[Collection(BehaviourCollection.Name)]
public sealed class StreamTests(SharedStack shared)
{
    /// <summary>About four thousand events, more bytes than the sockets between server and reader hold.</summary>
    private const string Thousands = "@scenario huge bytes=8000000 size=2000";

    private static readonly TimeSpan Long = TimeSpan.FromMinutes(4);

    private Stack Stack => shared.Stack;

    private Api Api => shared.Stack.Api;

    [Fact]
    public async Task SlowReader_HoldsNobodyUp_AndMissesNothing()
    {
        var session = await Stack.ClaudeAsync();
        using var slow = await EventStream.OpenAsync(Api, Events(session));
        await using var quick = new EventReader(() => Api, session);
        var task = await Api.SubmitAsync(session, Thousands);

        // One event each 50 ms, for as long as the task goes on: the server has to keep thousands for this reader meanwhile.
        var seen = new List<long>();
        var ended = Api.TaskEndedAsync(task, Long);
        using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!ended.IsCompleted && await pace.WaitForNextTickAsync()) seen.Add(Seq((await slow.NextAsync())!));
        Assert.Equal("completed", (await ended).Text("status"));
        await quick.SeenAsync("task.completed", patience: Long);
        quick.AssertGapless();
        Assert.True(quick.Events.Count > 3500, $"{quick.Events.Count} events are not thousands");
        Assert.True(seen.Count < quick.Events.Count, "the slow reader was not slow");

        await foreach (var json in slow.UntilAsync(e => e.Text("type") == "task.completed")) seen.Add(Seq(json));
        Assert.Equal(Enumerable.Range(1, seen.Count).Select(n => (long)n), seen);
        Assert.Equal(quick.Events.Of("task.completed")[0].Number("seq"), seen[^1]);
    }

    [Fact]
    public async Task VanishingReader_LeavesTheOthersAlone_AndComesBackWhereItWas()
    {
        var session = await Stack.ClaudeAsync();
        await using var other = new EventReader(() => Api, session);
        var task = await Api.SubmitAsync(session, "@scenario huge bytes=1000000 size=1000");
        var seen = new List<long>();
        string last;
        using (var first = await EventStream.OpenAsync(Api, Events(session)))
        {
            while (seen.Count < 200) seen.Add(Seq((await first.NextAsync())!));
            last = first.LastId;
        }

        Assert.Equal(seen[^1].ToString(), last);
        using var second = await EventStream.OpenAsync(Api, Events(session), last);
        await foreach (var json in second.UntilAsync(e => e.Text("type") == "task.completed")) seen.Add(Seq(json));
        Assert.Equal(Enumerable.Range(1, seen.Count).Select(n => (long)n), seen);
        await Api.TaskEndedAsync(task);
        await other.SeenAsync("task.completed");
        other.AssertGapless();
        Assert.Equal(1, other.Connections);
    }

    [Fact]
    public async Task HundredReaders_OfOneSession_SeeTheSame()
    {
        const int readers = 100;
        var session = await Stack.ClaudeAsync();
        var streams = await Task.WhenAll(Enumerable.Range(0, readers).Select(_ => EventStream.OpenAsync(Api, Events(session))));
        try
        {
            var reading = streams.Select(async stream =>
            {
                var all = new List<string>();
                await foreach (var json in stream.UntilAsync(e => e.Text("type") == "task.completed")) all.Add(json);
                return all;
            }).ToList();
            await Api.SubmitAsync(session, "@scenario huge bytes=200000 size=400");
            var seen = await Task.WhenAll(reading).WaitAsync(Long);
            Assert.True(seen[0].Count > 500);
            Assert.Equal(Enumerable.Range(1, seen[0].Count).Select(n => (long)n), seen[0].Select(Seq));
            Assert.All(seen, one => Assert.Equal(seen[0], one));
        }
        finally
        {
            foreach (var stream in streams) stream.Dispose();
        }
    }

    [Fact]
    public async Task Parts_ByTypeAfterAndLastEventId_AreThePartsOfTheWhole()
    {
        var session = await Stack.ClaudeAsync();
        await Api.RunAllowedAsync(session, "@scenario think thought=hmm text=so\n@scenario shell cmd='echo x > x.txt'");
        var whole = (await Api.EventsAsync(session)).Select(e => e.ToString()).ToList();

        Assert.Equal(whole, await ReplayAsync($"{Events(session)}?follow=false"));
        Assert.Equal(whole[5..], await ReplayAsync($"{Events(session)}?follow=false&after=5"));
        Assert.Equal(whole[7..], await ReplayAsync($"{Events(session)}?follow=false&after=2", "7")); // the header is the newer one
        Assert.Equal(Only(whole, "text", "task."), await ReplayAsync($"{Events(session)}?follow=false&types=text,task.*"));
        Assert.Equal(Only(whole, "tool_use", "thinking"), await ReplayAsync($"{Events(session)}?follow=false&types=tool_use&types=thinking"));
        Assert.Equal(Only(whole, "task."), (await Api.EventsAsync(session, "&types=task.*")).Select(e => e.ToString()));
        Assert.Equal(whole, await SocketAsync($"{Events(session)}?follow=false"));
        Assert.Equal(Only(whole, "permission."), await SocketAsync($"{Events(session)}?follow=false&types=permission.*"));
        Assert.Equal(whole[9..], await SocketAsync($"{Events(session)}?follow=false&after=9&token={Stack.ApiKey}", withHeader: false));
    }

    [Fact]
    public async Task Live_OverSseAndWebSocket_IsTheSame()
    {
        var session = await Stack.ClaudeAsync();
        using var socket = await ConnectAsync(Events(session));
        await using var sse = new EventReader(() => Api, session);
        await Api.RunAsync(session, "@scenario slow chunks=20 delay_ms=20");
        await sse.SeenAsync("task.completed");
        var messages = new List<string>();
        while (messages.Count == 0 || EventStream.Parse(messages[^1]).Text("type") != "task.completed") messages.Add((await ReceiveAsync(socket))!);
        Assert.Equal(sse.Events.Select(e => e.ToString()), messages);
    }

    [Fact]
    public async Task TenantStream_CarriesEveryLifecycleEventOfAllSessionsOnce()
    {
        var tenant = "tenant-" + Guid.NewGuid().ToString("N")[..8];
        var api = await Stack.OtherTenantAsync(tenant);
        using var live = await EventStream.OpenAsync(api, "/api/v1/events");
        string[] sessions = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Stack.ClaudeAsync(api: api)));
        await Task.WhenAll(sessions.Select(session => api.RunAllowedAsync(session, "@scenario shell cmd='echo x > x.txt'\n@scenario say text=done")));
        foreach (var session in sessions) (await api.SendAsync(HttpMethod.Delete, $"/api/v1/sessions/{session}")).Dispose();

        var open = sessions.ToHashSet();
        var seen = new List<string>();
        await foreach (var json in live.UntilAsync(e => e.Text("type") == "session.terminated" && open.Remove(e.Text("session_id")!) && open.Count == 0)) seen.Add(json);
        var parsed = seen.ConvertAll(EventStream.Parse);
        foreach (var session in sessions)
        {
            var own = (await api.EventsAsync(session)).Where(e => e.Text("type")!.Split('.')[0] is "session" or "runner" or "task" or "permission" or "workspace" or "checkpoint");
            Assert.Equal(own.Select(Identity), parsed.Where(e => e.Text("session_id") == session).Select(Identity));
        }

        Assert.Equal(sessions.Order(), parsed.Select(e => e.Text("session_id")!).Distinct().Order());
        Assert.Equal(seen, await ReplayAsync("/api/v1/events?after=0&follow=false", api: api)); // what was live is what is stored
        using var resumed = await EventStream.OpenAsync(api, "/api/v1/events?follow=false", live.LastId);
        Assert.Null(await resumed.NextAsync());
    }

    [Fact]
    public async Task QuietStream_HasHeartbeats()
    {
        using var patience = new CancellationTokenSource(Wait.Patience);
        var session = await Stack.ClaudeAsync();
        using var stream = await EventStream.OpenAsync(Api, Events(session));
        Assert.Equal("session.created", EventStream.Parse((await stream.NextAsync(patience.Token))!).Text("type"));
        await stream.HeartbeatAsync(patience.Token);
        await stream.HeartbeatAsync(patience.Token);
    }

    private static string Events(string session) => $"/api/v1/sessions/{session}/events";

    private static long Seq(string json) => EventStream.Parse(json).Number("seq");

    private static string Identity(JsonElement e) => $"{e.Number("seq")} {e.Text("type")} {e.GetProperty("data")}";

    private static IEnumerable<string> Only(IEnumerable<string> events, params string[] prefixes) => events.Where(json =>
    {
        var type = EventStream.Parse(json).Text("type")!;
        return prefixes.Any(prefix => prefix.EndsWith('.') ? type.StartsWith(prefix, StringComparison.Ordinal) : type == prefix);
    });

    private async Task<List<string>> ReplayAsync(string path, string? lastEventId = null, Api? api = null)
    {
        using var stream = await EventStream.OpenAsync(api ?? Api, path, lastEventId);
        var all = new List<string>();
        while (await stream.NextAsync() is { } json) all.Add(json);
        return all;
    }

    private async Task<List<string>> SocketAsync(string path, bool withHeader = true)
    {
        using var socket = await ConnectAsync(path, withHeader);
        var all = new List<string>();
        while (await ReceiveAsync(socket) is { } json) all.Add(json);
        return all;
    }

    private async Task<ClientWebSocket> ConnectAsync(string path, bool withHeader = true)
    {
        var socket = new ClientWebSocket();
        if (withHeader) socket.Options.SetRequestHeader("Authorization", $"Bearer {Stack.ApiKey}");
        await socket.ConnectAsync(new Uri(Stack.ApiUrl.Replace("http://", "ws://", StringComparison.Ordinal) + path), CancellationToken.None);
        return socket;
    }

    private static async Task<string?> ReceiveAsync(ClientWebSocket socket)
    {
        using var patience = new CancellationTokenSource(Wait.Patience);
        using var message = new MemoryStream();
        var buffer = new byte[16 * 1024];
        while (true)
        {
            var part = await socket.ReceiveAsync(buffer, patience.Token);
            if (part.MessageType == WebSocketMessageType.Close) return null;
            message.Write(buffer, 0, part.Count);
            if (part.EndOfMessage) return Encoding.UTF8.GetString(message.ToArray());
        }
    }
}

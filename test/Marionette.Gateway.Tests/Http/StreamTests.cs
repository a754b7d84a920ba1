using System.Net;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Marionette.Gateway.Tests.Support;
using Marionette.Tasks;
using Marionette.TestSupport;

namespace Marionette.Gateway.Tests.Http;

/// <summary>Streams over real sockets from the real tables.</summary>
public sealed class StreamTests(PostgresFixture postgres) : IAsyncLifetime
{
    private const string Session = "sess_0VblLnwqr5JQkdmN", Task_ = "task_0VblLnwqr5JQkdmN", Run = "trun_0VblLnwqr5JQkdmN";
    private GatewayHost host = null!;

    public async ValueTask InitializeAsync()
    {
        host = await GatewayHost.StartAsync(postgres);
        await host.ExecuteAsync("insert into marionette.session_head values ($1, 'default', 0)", Session);
    }

    public ValueTask DisposeAsync() => host.DisposeAsync();

    [Fact]
    public async Task Replay_ThousandsOfEvents_EachOnceInOrder()
    {
        await host.ExecuteAsync(
            """
            insert into marionette.session_event (tenant, session, seq, type, at, payload)
            select 'default', $1, n, 'text', now(), convert_to('{"text":"' || repeat('x', n % 700) || '"}', 'UTF8') from generate_series(1, 5000) as n
            """, Session);
        await host.ExecuteAsync("update marionette.session_head set head = 5000");
        var frames = await SseAsync($"/api/v1/sessions/{Session}/events?follow=false");
        Assert.Equal(Enumerable.Range(1, 5000), frames.Select(frame => frame.GetProperty("seq").GetInt32()));
    }

    [Theory]
    [InlineData("follow=false", null, new[] { 1, 2, 3, 4, 5, 6 })]
    [InlineData("follow=false&after=4", null, new[] { 5, 6 })]
    [InlineData("follow=false&after=4", "2", new[] { 3, 4, 5, 6 })]
    [InlineData("follow=false&types=task.*", null, new[] { 2, 6 })]
    [InlineData("follow=false&types=tool_use,text&types=log", null, new[] { 3, 4, 5 })]
    [InlineData("follow=false&after=6", null, new int[0])]
    public async Task Events_Sse_AreTheOnesAskedFor(string query, string? lastEventId, int[] seqs)
    {
        await SixEventsAsync();
        var frames = await SseAsync($"/api/v1/sessions/{Session}/events?{query}", lastEventId);
        Assert.Equal(seqs, frames.Select(frame => frame.GetProperty("seq").GetInt32()));
    }

    [Theory]
    [InlineData("after=7", HttpStatusCode.BadRequest)]
    [InlineData("after=-1", HttpStatusCode.BadRequest)]
    [InlineData("follow=maybe", HttpStatusCode.BadRequest)]
    [InlineData("types=%25", HttpStatusCode.BadRequest)]
    public async Task Events_MalformedQuery_IsRefusedBeforeTheStreamBegins(string query, HttpStatusCode status)
    {
        await SixEventsAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/sessions/{Session}/events?{query}");
        request.Headers.Accept.ParseAdd("text/event-stream");
        using var answer = await host.Operator.SendAsync(request);
        Assert.Equal(status, answer.StatusCode);
    }

    [Fact]
    public async Task Events_WebSocket_SameEnvelopesAsSse()
    {
        await SixEventsAsync();
        var messages = await SocketAsync($"/api/v1/sessions/{Session}/events?follow=false&token={host.OperatorToken}", 7);
        var frames = await SseAsync($"/api/v1/sessions/{Session}/events?follow=false");
        Assert.Equal(frames.Select(frame => frame.GetRawText()), messages.Select(message => message.GetRawText()));
    }

    [Fact]
    public async Task Events_Pages_GiveTheSameEvents()
    {
        await SixEventsAsync();
        var (seen, cursor, more) = (new List<int>(), "0", true);
        while (more)
        {
            var page = await GatewayHost.JsonAsync(await host.Operator.GetAsync($"/api/v1/sessions/{Session}/events?limit=4&after={cursor}"));
            seen.AddRange(page.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("seq").GetInt32()));
            (cursor, more) = (page.GetProperty("next_cursor").GetString()!, page.GetProperty("has_more").GetBoolean());
        }
        Assert.Equal([1, 2, 3, 4, 5, 6], seen);
    }

    [Fact]
    public async Task LargeEvent_SseWebSocketAndPage_AreTheSame()
    {
        await host.ExecuteAsync(
            """
            insert into marionette.session_event (tenant, session, seq, type, at, payload)
            select 'default', $1, 1, 'tool_result', now(), convert_to('{"content":"' || repeat('0123456789', 700000) || '","last":1}', 'UTF8')
            """, Session);
        await host.ExecuteAsync("update marionette.session_head set head = 1");
        var sse = Assert.Single(await SseAsync($"/api/v1/sessions/{Session}/events?follow=false"));
        var socket = Assert.Single(await SocketAsync($"/api/v1/sessions/{Session}/events?follow=false&token={host.OperatorToken}", 2));
        var page = (await GatewayHost.JsonAsync(await host.Operator.GetAsync($"/api/v1/sessions/{Session}/events"))).GetProperty("items")[0];
        Assert.Equal(7_000_000, sse.GetProperty("data").GetProperty("content").GetString()!.Length);
        Assert.Equal(sse.GetRawText(), socket.GetRawText());
        Assert.Equal(sse.GetRawText(), page.GetRawText());
    }

    [Fact]
    public async Task TenantStream_NewEvents_ComeInOrderOfSettlement()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/events?types=task.*");
        request.Headers.Accept.ParseAdd("text/event-stream");
        using var answer = await host.Operator.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync());

        // A transaction that began first and ends last: its event must neither be lost nor overtaken out of order.
        await using var slow = await host.Database.OpenConnectionAsync();
        await using var transaction = await slow.BeginTransactionAsync();
        await using (var command = slow.CreateCommand())
        {
            command.CommandText = "insert into marionette.tenant_event (tenant, session, seq, type, at, payload) values ('default', $1, 1, 'task.created', now(), '{}')";
            command.Parameters.Add(new() { Value = Session });
            await command.ExecuteNonQueryAsync();
        }
        await TenantEventAsync(2, "task.started");
        await TenantEventAsync(3, "session.suspended");
        await TenantEventAsync(4, "task.completed");
        await transaction.CommitAsync();

        var seqs = new List<int>();
        string? cursor = null;
        while (seqs.Count < 3)
        {
            var line = await reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(20));
            if (line!.StartsWith("id: ", StringComparison.Ordinal)) cursor = line[4..];
            if (line.StartsWith("data: ", StringComparison.Ordinal)) seqs.Add(JsonDocument.Parse(line[6..]).RootElement.GetProperty("seq").GetInt32());
        }
        Assert.Equal([1, 2, 4], seqs);

        var all = await GatewayHost.JsonAsync(await host.Operator.GetAsync("/api/v1/events?limit=3"));
        Assert.Equal([1, 2, 3], all.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("seq").GetInt32()));
        var rest = await SseAsync($"/api/v1/events?follow=false&after={all.GetProperty("next_cursor").GetString()}");
        Assert.Equal(cursor, Assert.Single(rest).GetProperty("cursor").GetString());
    }

    [Fact]
    public async Task TenantStream_OfAnotherTenant_IsEmpty()
    {
        await TenantEventAsync(1, "task.created");
        using var stranger = await host.ClientAsync("other", "events:read");
        var page = await GatewayHost.JsonAsync(await stranger.GetAsync("/api/v1/events"));
        Assert.Equal(0, page.GetProperty("items").GetArrayLength());
    }

    [Fact]
    public async Task Logs_OfATask_AreItsOutputWithRunnerStreamAndLevel()
    {
        await SixEventsAsync();
        await TaskStateAsync();
        var list = await GatewayHost.JsonAsync(await host.Operator.GetAsync($"/api/v1/tasks/{Task_}/logs"));
        Assert.Equal(3, list.GetProperty("total_count").GetInt64());
        Assert.Equal(
            [("stdout", "info", "hi"), ("stdout", "info", "Bash {\"command\":\"ls\"}"), ("stderr", "warn", "careful")],
            list.GetProperty("items").EnumerateArray().Select(log =>
                (log.GetProperty("stream").GetString()!, log.GetProperty("level").GetString()!, log.GetProperty("content").GetString()!)));
        Assert.All(list.GetProperty("items").EnumerateArray(), log => Assert.Equal("run_0VblLnwqr5JQkdmN", log.GetProperty("runner_id").GetString()));
        var errors = await GatewayHost.JsonAsync(await host.Operator.GetAsync($"/api/v1/sessions/{Session}/logs?level=warn"));
        Assert.Equal(5, Assert.Single(errors.GetProperty("items").EnumerateArray()).GetProperty("sequence").GetInt32());
        var live = await SocketAsync($"/api/v1/logs/{Task_}/stream?token={host.OperatorToken}", 3);
        Assert.Equal(list.GetProperty("items").EnumerateArray().Select(log => log.GetRawText()), live.Select(log => log.GetRawText()));
    }

    [Fact]
    public async Task Readers_OverTheLimit_Are429()
    {
        await SixEventsAsync();
        var open = new List<HttpResponseMessage>();
        try
        {
            while (open.Count < 40) open.Add(await OpenAsync());
            using var refused = await OpenAsync();
            Assert.All(open, answer => Assert.Equal(HttpStatusCode.OK, answer.StatusCode));
            Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        }
        finally
        {
            open.ForEach(answer => answer.Dispose());
        }

        Task<HttpResponseMessage> OpenAsync()
        {
            var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/sessions/{Session}/events");
            request.Headers.Accept.ParseAdd("text/event-stream");
            return host.Operator.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        }
    }

    private async Task SixEventsAsync()
    {
        (string Type, string Payload)[] events =
        [
            ("session.created", """{"agent":"claude"}"""), ("task.created", """{"prompt":"x"}"""), ("text", """{"text":"hi"}"""),
            ("tool_use", """{"name":"Bash","input":{"command":"ls"},"tool_use_id":"t1"}"""),
            ("log", """{"stream":"stderr","level":"warn","content":"careful"}"""), ("task.completed", """{"attempt":1}"""),
        ];
        for (var i = 0; i < events.Length; i++)
            await host.ExecuteAsync(
                "insert into marionette.session_event (tenant, session, seq, type, task, run, at, payload) values ('default', $1, $2, $3, $4, $5, now(), $6)",
                Session, (long)i + 1, events[i].Type, Task_, Run, Encoding.UTF8.GetBytes(events[i].Payload));
        await host.ExecuteAsync("update marionette.session_head set head = 6");
    }

    private async Task TaskStateAsync()
    {
        host.Cluster.Tasks[$"default/{Task_}"] = new TaskView { Id = Task_, SessionId = Session, Prompt = "x", FirstSeq = 2 };
        await host.ExecuteAsync(
            "insert into marionette.grain_state (grain_type, grain_key, version, state) values ('task', $1, 1, $2::jsonb)", $"default/{Task_}",
            $$"""{"id":"{{Task_}}","session_id":"{{Session}}","prompt":"x","runs":[{"id":"{{Run}}","task_id":"{{Task_}}","runner_id":"run_0VblLnwqr5JQkdmN"}]}""");
    }

    private Task TenantEventAsync(long seq, string type) => host.ExecuteAsync(
        "insert into marionette.tenant_event (tenant, session, seq, type, at, payload) values ('default', $1, $2, $3, now(), '{}')", Session, seq, type);

    private async Task<List<JsonElement>> SseAsync(string path, string? lastEventId = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Accept.ParseAdd("text/event-stream");
        if (lastEventId is not null) request.Headers.Add("Last-Event-ID", lastEventId);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var answer = await host.Operator.SendAsync(request, limit.Token);
        Assert.Equal("text/event-stream", answer.Content.Headers.ContentType!.MediaType);
        var text = await answer.Content.ReadAsStringAsync(limit.Token);
        return [.. text.Split('\n').Where(line => line.StartsWith("data: ", StringComparison.Ordinal)).Select(line => JsonDocument.Parse(line[6..]).RootElement)];
    }

    /// <summary>Messages until so many are there or the server closes.</summary>
    private async Task<List<JsonElement>> SocketAsync(string path, int most)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var socket = new ClientWebSocket();
        await socket.ConnectAsync(new Uri(new UriBuilder(host.Url) { Scheme = "ws" }.Uri, path), limit.Token);
        var messages = new List<JsonElement>();
        var buffer = new byte[64 * 1024];
        using var message = new MemoryStream();
        while (messages.Count < most)
        {
            var read = await socket.ReceiveAsync(buffer, limit.Token);
            if (read.MessageType == WebSocketMessageType.Close) break;
            message.Write(buffer, 0, read.Count);
            if (!read.EndOfMessage) continue;
            messages.Add(JsonDocument.Parse(message.ToArray()).RootElement);
            message.SetLength(0);
        }
        return messages;
    }
}

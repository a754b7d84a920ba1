using System.Diagnostics;
using System.Net;
using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>
/// The server dies somewhere between an answer that a client has sent and the agent's word that it has it. Every cut of the protocol in memory is a
/// property (PermissionNetworkTests); here the real parts are killed, ten times, at moments that differ.
/// </summary>
public sealed class AnswerCrashTests(ITestOutputHelper output)
{
    private const int Seed = 20260, Cuts = 10;

    /// <summary>Asks, writes down every answer that comes, and asks on; one question more than there are cuts, so that a late second answer is written down too.</summary>
    private const string Agent = """
        import json, sys
        sys.stdin.readline()
        for n in range(11):
            print(json.dumps({"type": "permission.request", "data": {"request_id": "q%d" % n, "tool": "deploy", "input": {}}}), flush=True)
            while True:
                line = json.loads(sys.stdin.readline())
                if line["type"] != "permission.answer": continue
                with open("answers.txt", "a") as f: f.write("%s %s\n" % (line["data"]["request_id"], line["data"]["allow"]))
                if line["data"]["request_id"] == "q%d" % n: break
        """;

    private enum Cut
    {
        /// <summary>Some time after the answer went out, whatever became of it by then.</summary>
        Sent,

        /// <summary>Some time after the server said that it has it.</summary>
        Taken,

        /// <summary>Some time after the log showed it.</summary>
        Logged,
    }

    [Fact]
    public async Task KillOfTheServer_BetweenAnswerAndAcknowledgement_AnswersOnce()
    {
        await using var stack = await Stack.StartAsync();
        var session = await stack.Api.CreateSessionAsync(new { agent = "command", command = new[] { "python3", "-c", Agent }, options = new { protocol = "lines" } });
        await using var reader = new EventReader(() => stack.Api, session);
        var task = await stack.Api.SubmitAsync(session, "ask");
        var random = new Random(Seed);
        var watch = Stopwatch.StartNew();
        for (var i = 0; i < Cuts; i++)
        {
            // Six by the clock alone, two of each other kind; the last question is answered in peace.
            var cut = i % 5 < 3 ? Cut.Sent : i % 5 == 3 ? Cut.Taken : Cut.Logged;
            await AnswerAsync(stack, reader, session, i, cut, TimeSpan.FromMilliseconds(random.Next(cut switch { Cut.Sent => 41, Cut.Taken => 6, _ => 2 })));
        }

        var last = await RequestAsync(stack.Api, session, Cuts);
        await stack.Api.PostAsync($"/api/v1/permissions/{last}/{Verb(Cuts)}", new { });
        var ended = await stack.Api.TaskEndedAsync(task);
        output.WriteLine($"{Cuts} kills in {watch.Elapsed.TotalSeconds:0.0} s");
        Assert.Equal("completed", ended.Text("status"));
        await AssertOnceEachAsync(stack, session, task);
    }

    private static string Verb(int question) => question % 2 == 0 ? "approve" : "deny";

    /// <summary>Sends the answer, kills the server at the cut, starts it again, and asks again as a client does that got no reply.</summary>
    private async Task AnswerAsync(Stack stack, EventReader reader, string session, int question, Cut cut, TimeSpan delay)
    {
        var request = await RequestAsync(stack.Api, session, question);
        var (path, key) = ($"/api/v1/permissions/{request}/{Verb(question)}", $"answer-{question}");
        var decided = Verb(question) == "approve" ? "permission.approved" : "permission.denied";
        var sent = SendAsync(stack.Api, path, key);
        if (cut == Cut.Taken) await sent;
        if (cut == Cut.Logged) await SeenAsync(reader, decided, request);
        await DelayAsync(delay);
        await stack.Server.KillAsync();
        var replied = await sent;
        await stack.StartServerAsync();
        var log = await Ledger.EventsAsync(stack.Api, session);
        var reached = log.Where(e => e.GetProperty("data").MaybeText("permission_id") == request).Select(e => e.Text("type")["permission.".Length..]);
        output.WriteLine($"{question}: {cut} + {delay.TotalMilliseconds:0} ms, {(replied ? "reply came" : "no reply")}; log: {string.Join(", ", reached)}");
        await Wait.ForAsync(() => SendAsync(stack.Api, path, key), $"a reply to answer {question}", () => stack.Server.Output);
    }

    /// <summary>False: no reply, or one that says to try again.</summary>
    private static async Task<bool> SendAsync(Api api, string path, string key)
    {
        try
        {
            using var response = await api.SendAsync(HttpMethod.Post, path, new { }, key);
            if (response.StatusCode == HttpStatusCode.NoContent) return true;
            Assert.True((int)response.StatusCode >= 500, $"{response.StatusCode}: {await response.Content.ReadAsStringAsync()}");
        }
        catch (HttpRequestException)
        {
            // The server is gone: whether it took the answer is not known, and the same key asks again.
        }

        return false;
    }

    /// <summary>The id of the agent's open question; the agent asks it once it has the answer to the one before.</summary>
    private static async Task<string> RequestAsync(Api api, string session, int question)
    {
        JsonElement request = default;
        await Wait.ForAsync(
            async () => (request = await api.PermissionAsync(session)).Text("original_request_id") == $"q{question}", $"question {question}", () => request.ToString());
        return request.Text("id");
    }

    /// <summary>Without the pauses of other waits: the agent's acknowledgement follows within milliseconds.</summary>
    private static Task SeenAsync(EventReader reader, string type, string request) => Task.Run(() => Assert.True(
        SpinWait.SpinUntil(() => reader.Events.Any(e => e.Text("type") == type && e.GetProperty("data").MaybeText("permission_id") == request), Wait.Patience),
        $"Waited for {type} of {request}."));

    /// <summary>The cut's moment itself: finer than a timer's tick.</summary>
    private static Task DelayAsync(TimeSpan delay) => Task.Run(() =>
    {
        var watch = Stopwatch.StartNew();
        while (watch.Elapsed < delay) Thread.SpinWait(50);
    });

    private static async Task AssertOnceEachAsync(Stack stack, string session, string task)
    {
        var workspace = (await stack.Api.GetAsync($"/api/v1/sessions/{session}")).Text("workspace_id");
        var answers = await File.ReadAllLinesAsync(Path.Combine(stack.DataDirectory, "workspaces", workspace, "workspace", "answers.txt"));
        Assert.Equal(Enumerable.Range(0, Cuts + 1).Select(n => $"q{n} {(Verb(n) == "approve" ? "True" : "False")}"), answers);

        var events = await Ledger.AssertSoundAsync(stack.Api, session);
        var requests = events.Where(e => e.GetProperty("data").MaybeText("permission_id") is not null)
            .GroupBy(e => e.GetProperty("data").Text("permission_id")).Select(group => group.Select(e => e.Text("type")).ToList()).ToList();
        Assert.Equal(Cuts + 1, requests.Count);
        for (var i = 0; i < requests.Count; i++)
            Assert.Equal(["permission.requested", Verb(i) == "approve" ? "permission.approved" : "permission.denied", "permission.delivered"], requests[i]);
        Assert.Single(await stack.Api.RunsAsync(task));
    }
}

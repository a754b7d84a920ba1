using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>A session of the real Claude Code, exported by the command line and played again: the same story, told by no model.</summary>
[Collection(BehaviourCollection.Name)]
public sealed class RecordingTests(SharedStack shared)
{
    // What a task's readers see; the rest is ids, times and whose runner it was.
    private static readonly string[] Output =
        ["text.delta", "text", "thinking.delta", "thinking", "tool_use", "tool_result", "usage", "progress", "log", "state", "error"];

    private Stack Stack => shared.Stack;

    private Api Api => shared.Stack.Api;

    [Fact]
    public async Task Session_ExportedAndReplayed_TellsTheSameEvents()
    {
        var session = await Stack.ClaudeAsync();
        var first = await Api.RunAllowedAsync(session, "@scenario think\n@scenario shell cmd='echo did > it.txt; cat it.txt'\n@scenario say text=\"All done ✓\"");
        var second = await Api.RunAllowedAsync(session, "@scenario say text=again");
        var folder = Directory.CreateTempSubdirectory("marionette-recording-");
        var file = Path.Combine(folder.FullName, "tape.ndjson");
        var exported = await CommandLine.RunAsync(Stack, "sessions", "export", session, "--file", file);
        Assert.True(exported.ExitCode == 0, exported.ToString());
        var header = JsonDocument.Parse(File.ReadLines(file).First()).RootElement;
        Assert.Equal("marionette.recording", header.Text("format"));
        Assert.Equal(header.Number("events") + 1, File.ReadLines(file).Count());
        Assert.DoesNotContain("sk-any", File.ReadAllText(file));

        var created = await CommandLine.RunAsync(Stack, "sessions", "create", "--agent", "replay", "--recording", file, "--speed", "0", "-o", "json");
        Assert.True(created.ExitCode == 0, created.ToString());
        var replay = created.Json.Id();
        var requests = Stack.Model.Requests.Count;
        var firstAgain = await Api.RunAllowedAsync(replay, "whatever");
        var secondAgain = await Api.RunAllowedAsync(replay, "something else");
        Assert.Equal(requests, Stack.Model.Requests.Count);
        Assert.Equal(await StoryAsync(session), await StoryAsync(replay));
        foreach (var (was, plays) in new[] { (first, firstAgain), (second, secondAgain) })
        {
            foreach (var member in new[] { "status", "result" }) Assert.Equal(was.Text(member), plays.Text(member));
            Assert.Equal(Raw(was, "files_changed"), Raw(plays, "files_changed"));
            // All but the wall time, which is the replay's own.
            foreach (var member in new[] { "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cost_usd", "turns", "model_ms" })
                Assert.Equal(Raw(was.GetProperty("usage"), member), Raw(plays.GetProperty("usage"), member));
        }

        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Recording_OfAnUnknownSession_IsNotFound() =>
        Assert.Equal(System.Net.HttpStatusCode.NotFound, (await Api.SendAsync(HttpMethod.Get, "/api/v1/sessions/sess_0000000000000000/recording")).StatusCode);

    private static string? Raw(JsonElement view, string member) => view.TryGetProperty(member, out var value) ? value.GetRawText() : null;

    private async Task<List<string>> StoryAsync(string session) =>
    [
        .. from e in await Api.EventsAsync(session)
           let type = e.Text("type")
           where Output.Contains(type) || type == "permission.requested"
           select type == "permission.requested" ? $"{type} {e.Data().Text("tool")} {Raw(e.Data(), "input")}" : $"{type} {e.Data().GetRawText()}",
    ];
}

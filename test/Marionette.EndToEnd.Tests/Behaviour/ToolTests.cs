using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>What the agent says and does, and who lets it.</summary>
[Collection(BehaviourCollection.Name)]
public sealed class ToolTests(SharedStack shared)
{
    private Stack Stack => shared.Stack;

    private Api Api => shared.Stack.Api;

    [Fact]
    public async Task Say_IsStreamedAndIsTheResult()
    {
        var session = await Stack.ClaudeAsync();
        var task = await Api.RunAsync(session, "@scenario say text=\"Good morning.\" chunk=4");
        Assert.Equal("completed", task.Text("status"));
        Assert.Equal("Good morning.", task.Text("result"));

        var events = await Api.EventsAsync(session);
        Assert.Equal(Enumerable.Range(1, events.Count).Select(n => (long)n), events.Select(e => e.Number("seq")));
        Assert.Equal("Good morning.", string.Concat(events.Of("text.delta").Select(e => e.Data().Text("text"))));
        Assert.Equal("Good morning.", Assert.Single(events.Of("text")).Data().Text("text"));
        string[] order = ["session.created", "task.created", "runner.assigned", "runner.connected", "session.activated", "task.dispatched", "task.started", "text.delta", "text", "task.completed"];
        var types = events.Select(e => e.Text("type")).ToList();
        Assert.Equal(order, order.OrderBy(type => types.IndexOf(type)));
        Assert.DoesNotContain(-1, order.Select(type => types.IndexOf(type)));
        Assert.All(events.Of("text.delta"), e => Assert.Equal(task.Id(), e.Text("task_id")));
        Assert.Equal(task.Number("last_seq"), Assert.Single(events.Of("task.completed")).Number("seq"));
    }

    [Fact]
    public async Task Shell_Allowed_RunsInTheWorkspace()
    {
        var session = await Stack.ClaudeAsync();
        var task = await Api.SubmitAsync(session, "@scenario shell cmd='echo made > made.txt; echo \"it says $((6*7))\"' description=\"Make a file\"");
        var request = await Api.PermissionAsync(session);
        Assert.Equal("waiting_permission", (await Api.GetAsync($"/api/v1/tasks/{task}")).Text("status"));
        Assert.Equal("Bash", request.Text("tool"));
        Assert.Equal("high", request.Text("risk_level"));
        Assert.Contains("made.txt", JsonDocument.Parse(request.Text("action")!).RootElement.Text("command"));
        Assert.False(File.Exists(Path.Combine(await Stack.WorkspaceAsync(session), "made.txt")));

        await Api.PostAsync($"/api/v1/permissions/{request.Id()}/approve", new { reason = "fine" });
        var ended = await Api.TaskEndedAsync(task);
        Assert.Equal("completed", ended.Text("status"));
        Assert.Contains("it says 42", ended.Text("result"));
        Assert.Equal("made\n", await File.ReadAllTextAsync(Path.Combine(await Stack.WorkspaceAsync(session), "made.txt")));
        var events = await Api.EventsAsync(session);
        var use = Assert.Single(events.Of("tool_use")).Data();
        var result = Assert.Single(events.Of("tool_result")).Data();
        Assert.Equal("Bash", use.Text("name"));
        Assert.Equal(use.Text("tool_use_id"), result.Text("tool_use_id"));
        Assert.Contains("it says 42", result.Text("content"));
        Assert.False(result.GetProperty("is_error").GetBoolean());
        Assert.Equal(request.Id(), Assert.Single(events.Of("permission.delivered")).Data().Text("permission_id"));
    }

    [Fact]
    public async Task Shell_Denied_DoesNotRunAndTheAgentIsToldWhy()
    {
        var session = await Stack.ClaudeAsync();
        var task = await Api.SubmitAsync(session, "@scenario shell cmd='echo made > made.txt'");
        var request = await Api.PermissionAsync(session);
        await Api.PostAsync($"/api/v1/permissions/{request.Id()}/deny", new { reason = "Not on a Friday, please." });
        var ended = await Api.TaskEndedAsync(task);
        Assert.Equal("completed", ended.Text("status"));
        var result = Assert.Single((await Api.EventsAsync(session)).Of("tool_result")).Data();
        Assert.True(result.GetProperty("is_error").GetBoolean());
        Assert.Contains("Not on a Friday, please.", result.Text("content"));
        Assert.Contains("Not on a Friday, please.", ended.Text("result")); // the model quotes what it was told
        Assert.False(File.Exists(Path.Combine(await Stack.WorkspaceAsync(session), "made.txt")));
        var row = await Api.GetAsync($"/api/v1/permissions/{request.Id()}");
        Assert.Equal("denied", row.Text("status"));
        Assert.Equal("Not on a Friday, please.", row.Text("response_reason"));
    }

    [Fact]
    public async Task Shell_DeniedWithInterrupt_EndsTheTurn()
    {
        var session = await Stack.ClaudeAsync();
        var task = await Api.SubmitAsync(session, "@scenario multi n=3 cmd='echo step {i} >> steps.txt'");
        var request = await Api.PermissionAsync(session);
        await Api.PostAsync($"/api/v1/permissions/{request.Id()}/deny", new { reason = "Stop.", interrupt = true });
        await Api.TaskEndedAsync(task);
        Assert.Single((await Api.EventsAsync(session)).Of("permission.requested"));
        Assert.False(File.Exists(Path.Combine(await Stack.WorkspaceAsync(session), "steps.txt")));
        Assert.Equal("completed", (await Api.RunAsync(session, "@scenario say text=again")).Text("status"));
    }

    [Fact]
    public async Task Shell_AllowedWithAnotherInput_RunsThatOne()
    {
        var session = await Stack.ClaudeAsync();
        var task = await Api.SubmitAsync(session, "@scenario shell cmd='echo original > out.txt'");
        var request = await Api.PermissionAsync(session);
        await Api.PostAsync($"/api/v1/permissions/{request.Id()}/approve", new { updated_input = new { command = "echo changed > out.txt; echo swapped" } });
        var ended = await Api.TaskEndedAsync(task);
        Assert.Equal("completed", ended.Text("status"));
        Assert.Equal("changed\n", await File.ReadAllTextAsync(Path.Combine(await Stack.WorkspaceAsync(session), "out.txt")));
        Assert.Contains("swapped", ended.Text("result"));
        Assert.Contains("changed > out.txt", (await Api.GetAsync($"/api/v1/permissions/{request.Id()}")).Text("updated_input"));
    }

    [Fact]
    public async Task Write_Allowed_IsOnDisk_AndParallelCallsAreAskedForOneByOne()
    {
        var session = await Stack.ClaudeAsync();
        var task = await Api.RunAllowedAsync(session, "@scenario write file=note.txt text=\"zwölf\\n\"\n@scenario parallel n=2 cmd='echo call > call{i}.txt'\n@scenario say text=done");
        Assert.Equal("completed", task.Text("status"));
        Assert.Equal("zwölf\n", await File.ReadAllTextAsync(Path.Combine(await Stack.WorkspaceAsync(session), "note.txt")));
        var events = await Api.EventsAsync(session);
        Assert.Equal(3, events.Of("permission.requested").Count);
        Assert.Equal(3, events.Of("permission.delivered").Count);
        Assert.Equal(3, events.Of("tool_result").Count);
    }

    [Fact]
    public async Task Unicode_SurvivesEveryHop()
    {
        const string name = "Größe 漢字 🐙 \u202Eabc \"quoted\" \\ </script>";
        var session = await Stack.ClaudeAsync(new { name, labels = new Dictionary<string, string> { ["équipe"] = "ñandú 🐦" } });
        var view = await Api.GetAsync($"/api/v1/sessions/{session}");
        Assert.Equal(name, view.Text("name"));
        Assert.Equal("ñandú 🐦", view.GetProperty("labels").Text("équipe"));

        const string prompt = "@scenario unicode\nand 日本語 in the prompt, \u2028 too, and a lone tab\t.";
        var task = await Api.RunAsync(session, prompt);
        Assert.Equal("completed", task.Text("status"));
        Assert.Equal(prompt, task.Text("prompt"));
        var events = await Api.EventsAsync(session);
        var whole = Assert.Single(events.Of("text")).Data().Text("text");
        Assert.Equal(whole, task.Text("result"));
        Assert.Equal(whole, string.Concat(events.Of("text.delta").Select(e => e.Data().Text("text"))));
        Assert.DoesNotContain('\uFFFD', whole!);
        Assert.Contains(whole!, c => c > 0x2E80);

        var emoji = await Api.RunAllowedAsync(session, "@scenario shell cmd='printf \"%s\" \"naïve 🦀 漢\" > ü.txt; cat ü.txt'");
        Assert.Contains("naïve 🦀 漢", emoji.Text("result"));
        Assert.Equal("naïve 🦀 漢", await File.ReadAllTextAsync(Path.Combine(await Stack.WorkspaceAsync(session), "ü.txt")));
    }

    [Fact]
    public async Task Raw_OnRequestAlone_IsBesideTheTypedEvents()
    {
        var with = await Stack.ClaudeAsync(new { include_raw = true });
        var without = await Stack.ClaudeAsync();
        Assert.Equal("completed", (await Api.RunAsync(with, "@scenario say text=hello")).Text("status"));
        Assert.Equal("completed", (await Api.RunAsync(without, "@scenario say text=hello")).Text("status"));
        var raw = (await Api.EventsAsync(with)).Of("raw").Select(e => JsonDocument.Parse(e.Data().Text("line")!).RootElement.Text("type")).ToList();
        Assert.Contains("assistant", raw);
        Assert.Contains("result", raw);
        Assert.Single((await Api.EventsAsync(with)).Of("text"));
        Assert.Empty((await Api.EventsAsync(without)).Of("raw"));
    }
}

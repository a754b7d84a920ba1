using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>Profiles, providers and network policies through the command line, the API and the grains, with runners that are processes.</summary>
[Collection(BehaviourCollection.Name)]
public sealed class PlacementTests(SharedStack shared)
{
    private Stack Stack => shared.Stack;

    private Api Api => shared.Stack.Api;

    [Fact]
    public async Task SessionOfAProfile_GetsARunnerLikeIt_AndKeepsTheProfileFromBeingRemoved()
    {
        var profile = (await MarionetteAsync(
            "profiles", "create", "--name", "small", "--provider", "process", "--cpus", "0.5", "--memory-mib", "512", "--disk-mib", "0", "--pids", "64",
            "--network-policy", "allow_list", "--allow-host", "Registry.Example:443", "-o", "json")).Json;
        Assert.Equal("registry.example:443", Assert.Single(profile.GetProperty("allowed_hosts").EnumerateArray()).GetString());
        var made = (await MarionetteAsync("sessions", "create", "--agent", "command", "--profile", profile.Id(), "--provider", "process", "-o", "json", "--", "cat")).Json;
        Assert.Equal((profile.Id(), "process", "allow_list"), (made.Text("profile_id"), made.Text("provider"), made.Text("network_policy")));
        Assert.Equal("completed", (await Api.RunAsync(made.Id(), "hello")).Text("status"));

        var runner = await Api.GetAsync($"/api/v1/runners/{(await Api.GetAsync($"/api/v1/sessions/{made.Id()}")).Text("runner_id")}");
        var shape = runner.GetProperty("shape");
        Assert.Equal(("small", 0.5, 512L, 0L, 64L), (shape.Text("profile"), shape.GetProperty("cpus").GetDouble(), shape.Number("memory_mib"), shape.Number("disk_mib"), shape.Number("pids")));
        Assert.Equal("allow_list", runner.GetProperty("network").Text("policy"));
        Assert.Contains("registry.example:443", runner.GetProperty("network").GetProperty("allowed_hosts").EnumerateArray().Select(host => host.GetString()));
        Assert.Contains("0.5 CPU, 512 MiB memory, no limit of disk, 64 processes", (await MarionetteAsync("runners", "get", runner.Id())).Output);
        Assert.Contains((await MarionetteAsync("runners", "list", "--status", "online", "-o", "json")).Json.Items(), item => item.Id() == runner.Id());

        var kept = await CommandLine.RunAsync(Stack, "profiles", "delete", profile.Id());
        Assert.Equal(1, kept.ExitCode);
        Assert.Contains(made.Id(), kept.Errors);
        await MarionetteAsync("sessions", "terminate", made.Id());
        await MarionetteAsync("profiles", "delete", profile.Id());
        using var gone = await Api.SendAsync(HttpMethod.Get, $"/api/v1/profiles/{profile.Id()}");
        await Problems.CheckAsync(gone, 404, "a profile that was removed");
    }

    [Fact]
    public async Task Schedule_KeepsItsProfile_UntilItRunsElsewhere()
    {
        var profile = (await Api.PostAsync("/api/v1/profiles", new { name = "nightly", pids = 99 })).Id();
        var session = await Api.CreateSessionAsync(new { agent = "command", command = new[] { "cat" } });
        var schedule = (await MarionetteAsync(
            "scheduled-tasks", "create", "--name", "n", "--cron", "0 0 1 1 *", "-p", "hi", "--agent", "command", "--profile", profile, "--provider", "process", "-o", "json", "--", "cat")).Json;
        Assert.Equal((profile, "process"), (schedule.GetProperty("session").Text("profile_id"), schedule.GetProperty("session").Text("provider")));
        var task = (await MarionetteAsync("scheduled-tasks", "trigger", schedule.Id(), "-o", "json")).Json;
        Assert.Equal("completed", (await Api.TaskEndedAsync(task.Id())).Text("status"));
        var ran = await Api.SessionInAsync(task.Text("session_id")!, "terminated");
        Assert.Equal((profile, "process"), (ran.Text("profile_id"), ran.Text("provider")));

        using (var kept = await Api.SendAsync(HttpMethod.Delete, $"/api/v1/profiles/{profile}"))
            Assert.Contains(schedule.Id(), await Problems.CheckAsync(kept, 409, "a profile of a schedule"));
        await MarionetteAsync("scheduled-tasks", "update", schedule.Id(), "--session", session);
        await MarionetteAsync("profiles", "delete", profile);
        await MarionetteAsync("scheduled-tasks", "delete", schedule.Id());
    }

    [Theory]
    [InlineData("provider", "dokcer", "must be one of ", "process")]
    [InlineData("profile_id", "prof_0VblLnwqr5JQkdmN", "there is no such profile", "")]
    public async Task Unknown_IsToldByItsField(string field, string value, string message, string known)
    {
        var body = new Dictionary<string, object> { ["agent"] = "command", ["command"] = new[] { "cat" }, [field] = value };
        using var refused = await Api.SendAsync(HttpMethod.Post, "/api/v1/sessions", body);
        await Problems.CheckAsync(refused, 400, field);
        AssertError(await refused.Content.ReadAsStringAsync(), field, message, known);
        using var schedule = await Api.SendAsync(HttpMethod.Post, "/api/v1/scheduled-tasks", new { name = "n", cron_expression = "0 0 1 1 *", prompt_template = "hi", session = body });
        await Problems.CheckAsync(schedule, 400, field);
        AssertError(await schedule.Content.ReadAsStringAsync(), $"session.{field}", message, known);
        var said = await CommandLine.RunAsync(Stack, "sessions", "create", "--agent", "command", field == "provider" ? "--provider" : "--profile", value, "--", "cat");
        Assert.Equal(1, said.ExitCode);
        Assert.Contains($"{field} {message}", said.Errors);
    }

    [Fact]
    public async Task Providers_ShowTheProcessOne_WithItsRunners()
    {
        var session = await Api.CreateSessionAsync(new { agent = "command", command = new[] { "cat" } });
        Assert.Equal("completed", (await Api.RunAsync(session, "hello")).Text("status"));
        var process = Assert.Single((await Api.GetAsync("/api/v1/providers")).Items(), provider => provider.Text("name") == "process");
        Assert.Equal("none", process.Text("isolation"));
        Assert.True(process.Number("runners") >= 1, process.ToString());
        Assert.Null(process.Text("trouble"));
        var row = Assert.Single((await MarionetteAsync("providers", "list")).Output.Split('\n'), line => line.StartsWith("process ", StringComparison.Ordinal));
        Assert.Matches("^process +none +[1-9]", row);
        await MarionetteAsync("sessions", "terminate", session);
    }

    [Fact]
    public async Task Allow_ChangesPolicyAndList_AndTheLogTellsWho()
    {
        var session = await Api.CreateSessionAsync(new { agent = "command", command = new[] { "cat" }, network_policy = "deny" });
        Assert.Equal("completed", (await Api.RunAsync(session, "hello")).Text("status"));
        Assert.Contains("allow_list · api.example.com:443", (await MarionetteAsync("sessions", "allow", session, "API.example.com:443")).Output);
        await MarionetteAsync("sessions", "allow", session, "api.example.com:443"); // Again: nothing new, no second event.
        await MarionetteAsync("sessions", "update", session, "--network-policy", "open", "--allow-host", "");
        var view = await Api.GetAsync($"/api/v1/sessions/{session}");
        Assert.Equal(("open", 0), (view.Text("network_policy"), view.GetProperty("allowed_hosts").GetArrayLength()));

        var changes = (await Api.EventsAsync(session)).Of("network.changed");
        Assert.Equal(["allow_list", "open"], changes.Select(change => change.Data().Text("network_policy")));
        Assert.Equal("api.example.com:443", Assert.Single(changes[0].Data().GetProperty("allowed_hosts").EnumerateArray()).GetString());
        Assert.NotNull(changes[0].Data().Text("by"));
        var wrong = await CommandLine.RunAsync(Stack, "sessions", "allow", session, "http://x/");
        Assert.Equal(1, wrong.ExitCode);
        Assert.Contains("host must be a host name", wrong.Errors);

        // What people see of it.
        await MarionetteAsync("sessions", "terminate", session);
        var shown = await MarionetteAsync("sessions", "attach", session, "--all");
        Assert.Contains("~ network policy: allow_list (api.example.com:443), by ", shown.Output);
    }

    private static void AssertError(string problem, string field, string message, string known)
    {
        using var document = JsonDocument.Parse(problem);
        var error = Assert.Single(document.RootElement.GetProperty("errors").EnumerateArray());
        Assert.Equal(field, error.Text("field"));
        Assert.StartsWith(message, error.Text("message"));
        Assert.Contains(known, error.Text("message"));
    }

    private Task<CommandResult> MarionetteAsync(params string[] arguments) => Stack.MarionetteAsync(arguments);
}

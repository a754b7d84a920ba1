using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>A canary in the place of the model's key: who gets to see it. docs/concepts/secrets.md says who may.</summary>
public sealed class SecretTests
{
    private const string Command =
        "{ env; cat /proc/self/environ; ps auxww; cat /proc/*/cmdline /proc/*/environ; } > probe.txt 2>/dev/null; echo probed";

    /// <summary>The key comes with the session, or out of a stored agent configuration.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ApiKey_IsFoundNowhereButWhereItMustBe(bool fromConfig)
    {
        var canary = "sk-canary-" + RandomNumberGenerator.GetHexString(32, lowercase: true);
        await using var stack = await Stack.StartAsync();
        var seen = new StringBuilder();
        var config = fromConfig
            ? await stack.Api.PostAsync("/api/v1/agent-configs", new { name = "canary", agent = "claude", api_key = canary, base_url = stack.Model.Url.ToString() })
            : default;
        seen.AppendLine(config.ToString());
        var session = fromConfig
            ? await stack.Api.CreateSessionAsync(new { agent = "claude", agent_config_id = config.Id(), include_raw = true })
            : await stack.ClaudeAsync(new { api_key = canary, include_raw = true }, stack.Api);
        var task = await stack.Api.RunAllowedAsync(session, $"@scenario shell cmd='{Command}'\n@scenario say text=done");
        Assert.Equal("completed", task.Text("status"));

        // The model got exactly this key: the test would prove nothing with a key that went nowhere.
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(canary)));
        var requests = stack.Model.Requests.Where(request => request.Path == "/v1/messages").ToList();
        Assert.NotEmpty(requests);
        Assert.All(requests, request => Assert.Equal(hash, request.KeySha256));

        // What the agent's tools could print.
        var probe = await File.ReadAllTextAsync(Path.Combine(await stack.WorkspaceAsync(session), "probe.txt"), Encoding.Latin1);
        Assert.Contains("marionette-agent", probe); // it did see the processes around it
        Assert.DoesNotContain(canary, probe);

        // What clients are told.
        foreach (var path in Answers(session, task.Id())) seen.AppendLine((await stack.Api.GetAsync(path)).ToString());
        seen.AppendLine(string.Join('\n', await stack.Api.EventsAsync(session)));
        seen.AppendLine(await RefusalsAsync(stack, canary));
        Assert.DoesNotContain(canary, seen.ToString());
        Assert.DoesNotContain(canary, stack.Server.Output);

        // What other processes hold in their memory, while the agent still runs.
        var agent = await stack.AgentPidAsync(session);
        var claude = ProcessTable.Claude(agent);
        var postgres = await Database.PidsAsync(stack);
        Assert.NotEmpty(postgres);
        Assert.True(await ProcessMemory.HoldsAsync(agent, canary), "the scan must find the key where it is, or it finds nothing anywhere");
        Assert.False(await ProcessMemory.HoldsAsync(claude, canary), "claude holds the key");
        foreach (var pid in postgres) Assert.False(await ProcessMemory.HoldsAsync(pid, canary), $"PostgreSQL holds the key: {ProcessTable.Command(pid)}");

        // What is on disk, in the database and beside it.
        Assert.DoesNotContain(canary, await Database.DumpAsync(stack));
        Assert.Empty(FilesWith(stack.DataDirectory, canary));
        using var ended = await stack.Api.SendAsync(HttpMethod.Delete, $"/api/v1/sessions/{session}");
        Assert.Equal(HttpStatusCode.NoContent, ended.StatusCode);
        await stack.Server.StopAsync();
        Assert.DoesNotContain(canary, stack.Server.Output);
        Assert.Empty(FilesWith(stack.DataDirectory, canary));
    }

    private static string[] Answers(string session, string task) =>
    [
        $"/api/v1/sessions/{session}", "/api/v1/sessions", $"/api/v1/tasks/{task}", "/api/v1/tasks", $"/api/v1/tasks/{task}/runs", $"/api/v1/tasks/{task}/logs?limit=200",
        $"/api/v1/sessions/{session}/logs?limit=200", "/api/v1/permissions", "/api/v1/runners", "/api/v1/agents", "/api/v1/keys", "/api/v1/events?limit=200",
        "/api/v1/agent-configs", "/api/v1/scheduled-tasks",
    ];

    /// <summary>Requests that hold the key and are refused: none may be answered with it.</summary>
    private static async Task<string> RefusalsAsync(Stack stack, string canary)
    {
        var said = new StringBuilder();
        string[] bodies =
        [
            $$"""{"agent":"claude","api_key":"{{canary}}\u0000"}""", $$"""{"agent":"claude","api_key":["{{canary}}"]}""", $$"""{"agent":"{{canary}}","api_key":"{{canary}}"}""",
            $$"""{"agent":"claude","api_key":"{{canary}}","base_url":"nonsense"}""", $$"""{"agent":"claude","api_key":"{{canary}}","env":{"A=B":"{{canary}}"} }""", $$"""{"agent":"claude","api_key":"{{canary}}""",
        ];
        string[] configs =
        [
            $$"""{"name":"x","agent":"claude","api_key":"{{canary}} {{canary}}"}""", $$"""{"name":"x","agent":"{{canary}}","api_key":"{{canary}}","env":{"A=B":"{{canary}}"} }""",
            $$"""{"name":"x","agent":"claude","api_key":{"{{canary}}":1} }""", $$"""{"name":"x","agent":"claude","options":"{{canary}}"}""",
        ];
        foreach (var (path, body) in bodies.Select(body => ("/api/v1/sessions", body)).Concat(configs.Select(body => ("/api/v1/agent-configs", body))))
        {
            using var response = await stack.Api.Http.PostAsync(path, new StringContent(body, Encoding.UTF8, "application/json"));
            Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
            said.AppendLine(await response.Content.ReadAsStringAsync());
        }

        return said.ToString();
    }

    private static List<string> FilesWith(string folder, string text)
    {
        var start = new ProcessStartInfo("grep") { ArgumentList = { "-rlaF", "--", text, folder }, RedirectStandardOutput = true, RedirectStandardError = true };
        using var grep = Process.Start(start)!;
        var found = grep.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        grep.WaitForExit();
        return [.. found];
    }
}

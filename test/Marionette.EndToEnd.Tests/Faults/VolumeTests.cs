using System.Diagnostics;
using System.Globalization;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>Far more output than memory should hold.</summary>
[Collection(AloneCollection.Name)]
public sealed class VolumeTests(ITestOutputHelper output)
{
    private const long Mega = 1_000_000;
    private const int LineBytes = 1000;

    /// <summary>1 GB with <c>MARIONETTE_HEAVY=1</c>, otherwise a fifth of it: what is bounded shows in either.</summary>
    private static readonly long Bytes = Environment.GetEnvironmentVariable("MARIONETTE_HEAVY") == "1" ? 1000 * Mega : 200 * Mega;

    [Fact]
    public async Task FloodOfOutput_IsStoredWhole_AndMemoryStaysBounded()
    {
        await using var stack = await Stack.StartAsync();
        var line = new string('x', LineBytes - 1);
        var session = await stack.Api.CreateSessionAsync(new { agent = "command", command = (string[])["sh", "-c", $"yes {line} | head -c {Bytes}"] });
        var idle = Peak(stack.Server.Pid);
        var watch = Stopwatch.StartNew();
        var task = await stack.Api.SubmitAsync(session, "go");
        await Wait.ForAsync(async () => (await stack.Api.GetAsync($"/api/v1/sessions/{session}")).MaybeText("phase") == "running", "the run");
        var agent = await RunnerProcess.AgentAsync(stack.DataDirectory, stack.Api, session);
        var ended = await stack.Api.TaskEndedAsync(task, TimeSpan.FromMinutes(20));
        var took = watch.Elapsed;
        Assert.True(ended.Text("status") == "completed", ended.ToString());

        var (agentPeak, serverPeak) = (Peak(agent), Peak(stack.Server.Pid));
        var last = (await stack.Api.GetAsync($"/api/v1/sessions/{session}")).GetProperty("last_seq").GetInt64();
        output.WriteLine(
            $"{Bytes / Mega} MB in {took.TotalSeconds:0} s ({Bytes / Mega / took.TotalSeconds:0.0} MB/s), {last} events; " +
            $"agent's peak {agentPeak / Mega} MB; server's peak {serverPeak / Mega} MB, {idle / Mega} MB before");
        Assert.True(agentPeak < 150 * Mega, $"The agent's peak is {agentPeak / Mega} MB.");
        Assert.True(serverPeak - idle < 700 * Mega, $"The server grew by {(serverPeak - idle) / Mega} MB.");

        var (logged, gapless) = await CountAsync(stack.Api, session);
        Assert.Equal(Bytes, logged);
        Assert.True(gapless, "The log has a gap.");
    }

    [Fact]
    public async Task OneEventOfTwentyMegabytes_ArrivesWhole()
    {
        const int bytes = 20_000_000;
        await using var stack = await Stack.StartAsync();
        var session = await stack.StartClaudeAsync();
        await using var reader = new EventReader(() => stack.Api, session);
        var task = await stack.Api.SubmitAsync(session, $"@scenario huge bytes={bytes}");
        var ended = await stack.Api.TaskEndedAsync(task, TimeSpan.FromMinutes(5));
        Assert.Equal("completed", ended.Text("status"));
        var last = (await stack.Api.GetAsync($"/api/v1/sessions/{session}")).GetProperty("last_seq").GetInt64();
        await reader.CaughtUpAsync(last);
        reader.AssertGapless();
        var run = Assert.Single(await stack.Api.RunsAsync(task)).Text("id");
        var whole = Talk.Whole(reader.Events, run);
        Assert.Equal(bytes, whole.Length);
        Assert.True(whole == Talk.Deltas(reader.Events, run), "The pieces differ from the whole.");
        var agent = await RunnerProcess.AgentAsync(stack.DataDirectory, stack.Api, session);
        output.WriteLine($"agent's peak {Peak(agent) / Mega} MB; server's peak {Peak(stack.Server.Pid) / Mega} MB");
    }

    /// <summary>Reads the whole log as a client would, and keeps only sums.</summary>
    private static async Task<(long Logged, bool Gapless)> CountAsync(Api api, string session)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/sessions/{session}/events?follow=false");
        request.Headers.Accept.ParseAdd("text/event-stream");
        using var response = await api.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        response.EnsureSuccessStatusCode();
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        long seq = 0, logged = 0;
        var gapless = true;
        const string start = "\"type\":\"log\"", content = "\"content\":\"";
        while (await reader.ReadLineAsync() is { } line)
        {
            if (line.StartsWith("id:", StringComparison.Ordinal)) gapless &= long.Parse(line.AsSpan(3), CultureInfo.InvariantCulture) == ++seq;
            if (!line.StartsWith("data:", StringComparison.Ordinal) || !line.Contains(start, StringComparison.Ordinal)) continue;
            var from = line.IndexOf(content, StringComparison.Ordinal) + content.Length;
            logged += line.AsSpan(from).IndexOf('"') + 1; // The line end that the program wrote is not part of a log line.
        }

        return (logged, gapless);
    }

    /// <summary>The most memory that a process ever had, in bytes (VmHWM, proc(5)).</summary>
    private static long Peak(int pid)
    {
        var line = File.ReadLines($"/proc/{pid}/status").Single(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
    }
}

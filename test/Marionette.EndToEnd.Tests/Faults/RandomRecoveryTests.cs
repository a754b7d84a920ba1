using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Marionette.EndToEnd.Tests.Behaviour;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>
/// Sessions that work while they are suspended, moved to an empty machine, killed, and their server with them, in an order that a seed gives. In the end each
/// has the files that its tasks have written, byte for byte, and each event once. <c>MARIONETTE_WALKS</c>: how many (default 4); <c>MARIONETTE_SEED</c>: the
/// first one's seed.
/// </summary>
public sealed class RandomRecoveryTests(ITestOutputHelper output)
{
    private const int SigKill = 9, Steps = 8;

    private static readonly int Walks = Number("MARIONETTE_WALKS", 4), FirstSeed = Number("MARIONETTE_SEED", Random.Shared.Next(1, 1_000_000));

    [Fact]
    public async Task Session_InWhateverOrderThingsFail_HasEveryFileAndEveryEventOnce()
    {
        await using var stack = await Stack.StartAsync();
        for (var walk = 0; walk < Walks; walk++)
        {
            var seed = FirstSeed + walk;
            output.WriteLine($"seed {seed}");
            try
            {
                await WalkAsync(stack, new Random(seed));
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                throw new InvalidOperationException($"With MARIONETTE_SEED={seed} MARIONETTE_WALKS=1: {e.Message}", e);
            }
        }
    }

    private async Task WalkAsync(Stack stack, Random random)
    {
        var session = await stack.Api.CreateSessionAsync(new { agent = "command", command = new[] { "/bin/sh" } });
        var wanted = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        var did = new List<string>();
        try
        {
            for (var step = 1; step <= Steps; step++)
                did.Add(await StepAsync(stack, session, await stack.Api.SubmitAsync(session, ScriptOf(step, random, wanted)), random.Next(6)));
            wanted["log.txt"] = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(1, Steps).Select(step => $"{step}\n")));
            await CheckAsync(stack, session, wanted);
        }
        catch
        {
            foreach (var e in (await stack.Api.EventsAsync(session)).TakeLast(40)) output.WriteLine(e.ToString());
            throw;
        }
        finally
        {
            output.WriteLine(string.Join(", ", did));
        }

        (await stack.Api.SendAsync(HttpMethod.Delete, $"/api/v1/sessions/{session}")).Dispose();
    }

    /// <summary>One thing that befalls a session while a task is on its way.</summary>
    /// <returns>What it was.</returns>
    private static async Task<string> StepAsync(Stack stack, string session, string task, int kind)
    {
        switch (kind)
        {
            case 0:
                await EndedAsync(stack, task);
                return "work";
            case 1:
                await stack.Api.PostAsync($"/api/v1/sessions/{session}/suspend", new { });
                await stack.Api.SessionInAsync(session, "suspended");
                await stack.Api.PostAsync($"/api/v1/sessions/{session}/resume", new { });
                await EndedAsync(stack, task);
                return "suspended in the middle";
            case 2:
                await EndedAsync(stack, task);
                await stack.Api.PostAsync($"/api/v1/sessions/{session}/suspend", new { });
                await stack.Api.SessionInAsync(session, "suspended");
                await GoneAsync(stack, session);
                return "another machine";
            case 3:
                if (await AgentOfAsync(stack, session) is { } agent) ServerProcess.Signal(agent, SigKill);
                await EndedAsync(stack, task);
                return "agent killed";
            case 4:
                await EndedAsync(stack, task);
                await CoveredAsync(stack, session, task);
                await LoseAsync(stack, session);
                return "machine lost";
            default:
                await stack.Server.KillAsync();
                await stack.StartServerAsync();
                await EndedAsync(stack, task);
                return "server killed";
        }
    }

    /// <summary>The agent's own look at its files, and the log.</summary>
    private static async Task CheckAsync(Stack stack, string session, SortedDictionary<string, byte[]> wanted)
    {
        var listed = await stack.Api.TaskEndedAsync(await stack.Api.SubmitAsync(session, "find . -type f -printf '%P\\n' | sort | xargs sha256sum"));
        Assert.True(listed.Text("status") == "completed", listed.ToString());
        Assert.Equal(
            string.Join('\n', wanted.Select(file => $"{Convert.ToHexStringLower(SHA256.HashData(file.Value))}  {file.Key}")),
            (listed.MaybeText("result") ?? "").TrimEnd('\n'));
        var events = await stack.Api.EventsAsync(session);
        Assert.Equal(Enumerable.Range(1, events.Count).Select(n => (long)n), events.Select(e => e.GetProperty("seq").GetInt64()));
        Assert.Equal(Steps + 1, events.Count(e => e.Text("type") == "task.completed"));
    }

    /// <summary>Work that can be cut off anywhere and done again: the same files come of it, once.</summary>
    private static string ScriptOf(int step, Random random, SortedDictionary<string, byte[]> wanted)
    {
        var script = new StringBuilder();
        for (var file = random.Next(1, 4); file > 0; file--)
        {
            var (name, count, first) = ($"d{random.Next(3)}/s{step}-{file}.txt", random.Next(1, 20_000), random.Next(1_000_000));
            script.Append(CultureInfo.InvariantCulture, $"mkdir -p {Path.GetDirectoryName(name)} && seq {first} {first + count - 1} > {name}\n");
            wanted[name] = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(first, count).Select(n => $"{n}\n")));
        }

        if (wanted.Count > 3 && random.Next(3) == 0)
        {
            var name = wanted.Keys.ElementAt(random.Next(wanted.Count));
            // Only what an earlier step has made: this one may be done twice.
            if (!name.Contains($"/s{step}-", StringComparison.Ordinal))
            {
                script.Append(CultureInfo.InvariantCulture, $"rm -f {name}\n");
                wanted.Remove(name);
            }
        }

        script.Append(CultureInfo.InvariantCulture, $"sleep 0.{random.Next(5)}\n");
        return script.Append(CultureInfo.InvariantCulture, $"grep -qx {step} log.txt 2>/dev/null || echo {step} >> log.txt\n").ToString();
    }

    private static async Task EndedAsync(Stack stack, string task)
    {
        var ended = await stack.Api.TaskEndedAsync(task);
        Assert.True(ended.Text("status") == "completed", ended.ToString());
    }

    private static async Task<int?> AgentOfAsync(Stack stack, string session)
    {
        var view = await stack.Api.GetAsync($"/api/v1/sessions/{session}");
        return view.MaybeText("runner_id") is null ? null : RunnerProcess.PidOf(RunnerProcess.Folder(stack.DataDirectory, view));
    }

    /// <summary>Waits for a checkpoint behind the end of a task: what a machine holds after that is no secret of its own.</summary>
    private static Task CoveredAsync(Stack stack, string session, string task) => Wait.ForAsync(
        async () => (await stack.Api.GetAsync($"/api/v1/sessions/{session}")).TryGetProperty("recovery_point", out var point)
            && (await stack.Api.GetAsync($"/api/v1/tasks/{task}")).GetProperty("last_seq").GetInt64() < point.GetProperty("seq").GetInt64(),
        "a checkpoint behind the task");

    private static async Task GoneAsync(Stack stack, string session)
    {
        var workspace = (await stack.Api.GetAsync($"/api/v1/sessions/{session}")).Text("workspace_id");
        await Wait.ForAsync(() => !RunnerProcess.AnyIn(stack.DataDirectory, workspace), "the runner's end");
        Stack.DeleteFolder(Path.Combine(stack.DataDirectory, "workspaces", workspace));
    }

    private static async Task LoseAsync(Stack stack, string session)
    {
        var view = await stack.Api.GetAsync($"/api/v1/sessions/{session}");
        var runner = RunnerProcess.Folder(stack.DataDirectory, view);
        if (RunnerProcess.PidOf(runner) is { } agent) ServerProcess.Signal(agent, SigKill);
        Stack.DeleteFolder(runner);
        Stack.DeleteFolder(Path.Combine(stack.DataDirectory, "workspaces", view.Text("workspace_id")));
    }

    private static int Number(string variable, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : otherwise;
}

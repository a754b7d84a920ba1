using System.Net;
using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;
using Marionette.TestEngine;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>The shipped programs, a pool and a host of this machine: a session's files are on its disk as long as it may go on, and not for longer.</summary>
public sealed class PoolFilesTests : CheckpointTest, IAsyncLifetime
{
    private const string Pool = "lab";

    private readonly string _folder = Stack.NewFolder();
    private Stack? _stack;
    private ServerProcess? _host;

    private protected override Stack Stack => _stack!;

    private string State => Path.Combine(_folder, "host");

    public async ValueTask InitializeAsync()
    {
        var hindrance = MachineTrial.OfSandboxes("bwrap");
        Assert.SkipWhen(hindrance is not null, hindrance ?? "");
        _stack = await Stack.StartAsync(
            arguments: ["--pools", Pool],
            environment: new Dictionary<string, string>
            {
                ["Marionette__Pools__lab__SweepEvery"] = "00:00:01", ["Marionette__Pools__lab__KeepFiles"] = "00:00:00", ["Marionette__Pools__lab__Sandbox"] = "bwrap",
            });
        var token = (await Api.PostAsync($"/api/v1/pools/{Pool}/tokens", new { name = "tests" })).Text("raw_token")!;
        using var endpoints = JsonDocument.Parse(await File.ReadAllBytesAsync(Path.Combine(Stack.DataDirectory, "endpoints.json")));
        _host = ServerProcess.Start(
            Artifacts.Agent,
            [
                "host", "--server", endpoints.RootElement.GetProperty("grpc_url").GetString()!, "--pool", Pool, "--state", State,
                "--cpus", "8", "--memory-mib", "16384", "--disk-mib", "65536",
            ],
            new Dictionary<string, string> { ["MARIONETTE_JOIN_TOKEN"] = token });
    }

    public async ValueTask DisposeAsync()
    {
        if (_host is not null)
        {
            await _host.DisposeAsync();
            await using var leave = ServerProcess.Start(Artifacts.Agent, ["host", "--leave", "--state", State]);
            await Wait.ForAsync(() => leave.HasExited, "the end of its runners", () => leave.Output);
        }

        if (_stack is not null) await _stack.DisposeAsync();
        Stack.DeleteFolder(_folder);
    }

    [Fact]
    public async Task Files_OfAnEndedSession_GoFromTheHost_AndAreInItsLastCheckpoint()
    {
        var session = await CreateAsync(Pool);
        await RunAsync(session, "printf one > a.txt");
        await PointAsync(session, "run");
        var workspace = (await Api.GetAsync($"/api/v1/sessions/{session}")).Text("workspace_id")!;
        Assert.NotEmpty(FilesOf(workspace));
        // Suspended it keeps them, however often it is looked.
        await Api.PostAsync($"/api/v1/sessions/{session}/suspend", new { });
        await Api.SessionInAsync(session, "suspended");
        Assert.NotEmpty(FilesOf(workspace));
        Assert.Equal("one", await RunAsync(session, "cat a.txt"));

        // Ended with a runner that works: what its runs wrote is stored a second later.
        await PointAsync(session, "run");
        (await Api.SendAsync(HttpMethod.Delete, $"/api/v1/sessions/{session}")).Dispose();
        await Wait.ForAsync(() => FilesOf(workspace).Length == 0, "the end of its files", () => $"{string.Join(' ', FilesOf(workspace))}\n{Stack.Server.Output}\n{_host!.Output}");

        using var refused = await Api.SendAsync(HttpMethod.Post, "/api/v1/sessions", new { agent = "command", command = new[] { "/bin/sh" }, provider = Pool, workspace_id = workspace });
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Contains(session, await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        var next = (await Api.PostAsync("/api/v1/sessions", new { from = new { session_id = session } })).Text("id")!;
        Assert.Equal("one", await RunAsync(next, "cat a.txt"));
    }

    private Task<string> CreateAsync(string provider) => Api.CreateSessionAsync(new { agent = "command", command = new[] { "/bin/sh" }, provider });

    private string[] FilesOf(string workspace)
    {
        var workspaces = Path.Combine(State, "workspaces");
        return Directory.Exists(workspaces) ? [.. Directory.GetDirectories(workspaces).SelectMany(tenant => Directory.GetFileSystemEntries(tenant, workspace + "*"))] : [];
    }
}

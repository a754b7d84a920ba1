using System.Diagnostics;
using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary><c>marionette up</c> and <c>marionette demo</c>: stacks of their own, from the start to the last process.</summary>
public sealed class UpTests : IDisposable
{
    private readonly List<string> _folders = [];

    public void Dispose()
    {
        foreach (var folder in _folders)
        {
            RunnerProcess.EndAll(folder);
            Stack.DeleteFolder(folder);
        }
    }

    [Fact]
    public async Task Demo_WithYes_DoesTheWholeJob()
    {
        var folder = NewFolder();
        var result = await DemoAsync(folder, "--yes");
        Assert.True(result.ExitCode == 0, result.ToString());
        var written = Assert.Single(Directory.EnumerateFiles(Path.Combine(folder, "workspaces"), "hello.txt", SearchOption.AllDirectories));
        Assert.StartsWith("Hello from Marionette!", await File.ReadAllTextAsync(written));
        Assert.All(["scripted", "Write", "hello.txt", "Hello from Marionette!", "What to try next", "token", "$"], text => Assert.Contains(text, result.Output));
        AssertNothingLeft(folder);
    }

    [Fact]
    public async Task Demo_WithNobodyToAsk_IsDeniedAndEnds()
    {
        var folder = NewFolder();
        var result = await DemoAsync(folder);
        Assert.True(result.ExitCode == 0, result.ToString()); // the agent was told no, and finished its turn
        Assert.Contains("denied", result.Output);
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(folder, "workspaces"), "hello.txt", SearchOption.AllDirectories));
        AssertNothingLeft(folder);
    }

    [Fact]
    public async Task Up_TwoSideBySide_AreTwoWorlds_AndSigtermEndsEachWhole()
    {
        var (first, second) = (await UpAsync(), await UpAsync());
        using var one = first.Process;
        using var two = second.Process;
        Assert.NotEqual(first.Api.Http.BaseAddress, second.Api.Http.BaseAddress);
        var session = await first.Api.CreateSessionAsync(new { agent = "command", command = new[] { "/bin/cat" } });
        var task = await first.Api.RunAsync(session, "hello");
        Assert.Equal("completed", task.Text("status"));
        Assert.Equal(0, (await second.Api.GetAsync("/api/v1/sessions")).Number("total_count"));
        using var foreign = await new Api(second.Api.Http.BaseAddress!.ToString(), first.Key).SendAsync(HttpMethod.Get, "/api/v1/sessions");
        Assert.Equal(System.Net.HttpStatusCode.Unauthorized, foreign.StatusCode);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(first.Folder, "endpoints.json")));

        // The same folder a second time: one line that says why, and the running one does not notice.
        var again = await CommandLine.RunAsync(new Dictionary<string, string>(), UpArguments(first.Folder));
        Assert.NotEqual(0, again.ExitCode);
        Assert.Contains(first.Folder, Assert.Single((again.Output + again.Errors).Trim().Split('\n')));
        Assert.Equal(1, (await first.Api.GetAsync("/api/v1/sessions")).Number("total_count"));

        // A live session's runner would stay on purpose and wait for the server to come back.
        (await first.Api.SendAsync(HttpMethod.Delete, $"/api/v1/sessions/{session}")).Dispose();
        await Wait.ForAsync(() => !Directory.EnumerateDirectories(Path.Combine(first.Folder, "runners")).Any(), "the runner to go");
        foreach (var stack in new[] { first, second })
        {
            ServerProcess.Signal(stack.Process.Id, 15);
            await stack.Process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(180));
            Assert.Equal(0, stack.Process.ExitCode);
            AssertNothingLeft(stack.Folder);
            Assert.False(File.Exists(Path.Combine(stack.Folder, "endpoints.json")));
        }
    }

    private sealed record Running(Process Process, string Folder, Api Api, string Key);

    private async Task<Running> UpAsync()
    {
        var folder = NewFolder();
        var process = CommandLine.Start(new Dictionary<string, string>(), UpArguments(folder));
        var errors = process.StandardError.ReadToEndAsync();
        _ = process.StandardOutput.ReadToEndAsync();
        var endpoints = Path.Combine(folder, "endpoints.json");
        await Wait.ForAsync(() => File.Exists(endpoints) || process.HasExited, "endpoints.json", patience: TimeSpan.FromSeconds(180));
        Assert.False(process.HasExited, process.HasExited ? await errors : "");
        using var document = JsonDocument.Parse(await File.ReadAllBytesAsync(endpoints));
        var key = document.RootElement.Text("api_key")!;
        return new(process, folder, new Api(document.RootElement.Text("api_url")!, key), key);
    }

    private static string[] UpArguments(string folder) => ["up", "--data-dir", folder, "--api-port", "0", "--admin-port", "0", "--grpc-port", "0"];

    private static Task<CommandResult> DemoAsync(string folder, params string[] more) =>
        CommandLine.RunAsync(new Dictionary<string, string>(), ["demo", "--data-dir", folder, .. more]);

    private string NewFolder()
    {
        _folders.Add(Stack.NewFolder());
        return _folders[^1];
    }

    private static void AssertNothingLeft(string folder)
    {
        var left = ProcessTable.Naming(folder);
        Assert.True(left.Count == 0, string.Join('\n', left.Select(ProcessTable.Command)));
    }
}

using System.Diagnostics;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>The live view in a real terminal, with a person's keystrokes.</summary>
[Collection(BehaviourCollection.Name)]
public sealed class TerminalTests(SharedStack shared)
{
    [Theory]
    [InlineData("a", "approved", true)]
    [InlineData("d", "denied", false)]
    public async Task LiveView_AsksAndTakesAKeystroke(string key, string status, bool ran)
    {
        Assert.SkipUnless(IsInstalled("tmux"), "tmux is not installed: the live view needs a terminal to be tested in");
        var (stack, api) = (shared.Stack, shared.Stack.Api);
        var session = await stack.ClaudeAsync();
        var socket = "marionette-" + Guid.NewGuid().ToString("N")[..8];
        var prompt = "@scenario shell cmd='echo pressed > key.txt'\n@scenario say text=\"Thank you.\"";
        await TmuxAsync(
            socket, "-f", "/dev/null", "new-session", "-d", "-s", "view", "-x", "120", "-y", "40",
            "-e", $"MARIONETTE_API_URL={stack.ApiUrl}", "-e", $"MARIONETTE_API_KEY={stack.ApiKey}", "-e", "TERM=xterm-256color",
            $"'{Artifacts.Cli}' tasks run --session {session} --prompt-file '{await PromptFileAsync(stack, prompt)}'; echo exit code $?; cat");
        try
        {
            await ShowsAsync(socket, "[a]llow");
            Assert.Contains("echo pressed > key.txt", await ScreenAsync(socket));
            await TmuxAsync(socket, "send-keys", "-t", "view", key);
            if (!ran)
            {
                await ShowsAsync(socket, "reason");
                await TmuxAsync(socket, "send-keys", "-t", "view", "not now", "Enter");
            }

            await ShowsAsync(socket, "exit code 0");
            Assert.Contains("Thank you.", await ScreenAsync(socket));
        }
        finally
        {
            await TmuxAsync(socket, "kill-server");
        }

        var request = Assert.Single((await api.GetAsync($"/api/v1/permissions?session_id={session}")).Items());
        Assert.Equal(status, request.Text("status"));
        if (!ran) Assert.Equal("not now", request.Text("response_reason"));
        Assert.Equal(ran, File.Exists(Path.Combine(await stack.WorkspaceAsync(session), "key.txt")));
    }

    private static async Task<string> PromptFileAsync(Stack stack, string prompt)
    {
        var file = Path.Combine(stack.DataDirectory, $"prompt-{Guid.NewGuid():N}.txt");
        await File.WriteAllTextAsync(file, prompt);
        return file;
    }

    private static bool IsInstalled(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, program)));

    private static async Task ShowsAsync(string socket, string text)
    {
        var screen = "";
        await Wait.ForAsync(async () => (screen = await ScreenAsync(socket)).Contains(text, StringComparison.Ordinal), $"\"{text}\" on the screen", () => screen);
    }

    private static Task<string> ScreenAsync(string socket) => TmuxAsync(socket, "capture-pane", "-p", "-t", "view", "-S", "-200");

    private static async Task<string> TmuxAsync(string socket, params string[] arguments)
    {
        var start = new ProcessStartInfo("tmux") { RedirectStandardOutput = true, RedirectStandardError = true, ArgumentList = { "-L", socket } };
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        using var tmux = Process.Start(start)!;
        var errors = tmux.StandardError.ReadToEndAsync();
        var output = await tmux.StandardOutput.ReadToEndAsync();
        await tmux.WaitForExitAsync();
        Assert.True(tmux.ExitCode == 0, $"tmux {arguments[0]}: {await errors}");
        return output;
    }
}

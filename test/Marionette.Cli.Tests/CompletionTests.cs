using Marionette.Cli.Tests.Support;

namespace Marionette.Cli.Tests;

/// <summary>Completion in the shells themselves, with the real program behind it.</summary>
public sealed class CompletionTests
{
    [Theory]
    [InlineData("sessi", "session", "sessions")]
    [InlineData("sessions re", "restore", "resume")]
    [InlineData("sessions create --perm", "--permission-mode", "--permission-timeout")]
    [InlineData("sessions create --permission-mode ", "acceptEdits", "bypassPermissions", "default", "plan")]
    [InlineData("sessions create --network-policy ", "allow_list", "deny", "open")]
    [InlineData("profiles create --sandbox ", "auto", "bwrap", "runc", "runsc")]
    [InlineData("prov", "provider", "providers")]
    [InlineData("pools tokens ", "create", "delete", "list", "ls", "revoke")]
    [InlineData("hosts un", "undrain", "untaint")]
    [InlineData("tasks run --y", "--yes")]
    [InlineData("completion ", "bash", "fish", "zsh")]
    [InlineData("-s http://x tasks ca", "cancel")]
    public async Task Bash_Line_CompletesToWhatMayFollow(string line, params string[] expected)
    {
        using var folder = new TempFolder();
        var words = ("marionette " + line).Split(' ');
        var script = folder.Write("complete.bash", $"""
            marionette() ( "{Shell.Program}" "$@" )
            source <(marionette completion bash)
            COMP_LINE="marionette {line}"
            COMP_POINT=${"{#COMP_LINE}"}
            COMP_WORDS=({string.Join(' ', words.Select(word => $"'{word}'"))})
            COMP_CWORD={words.Length - 1}
            _marionette
            printf '%s\n' "${"{COMPREPLY[@]}"}"
            """);
        var said = await Shell.RunAsync("bash", [script]);
        Assert.Equal("", said.Error);
        Assert.Equal(expected, said.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(word => expected.Contains(word) || !word.StartsWith('-')).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("bash", "-n")]
    [InlineData("zsh", "-n")]
    [InlineData("fish", "--no-execute")]
    public async Task Script_OfEachShell_IsValidThere(string shell, string check)
    {
        Assert.SkipUnless(Shell.Find(shell) is not null, $"{shell} is not installed");
        using var folder = new TempFolder();
        var script = folder.Write("script", (await new Support.Cli().RunAsync("completion", shell)).Out);
        var said = await Shell.RunAsync(shell, [check, script]);
        Assert.Equal((0, ""), (said.Code, said.Error));
    }

    [Theory]
    [InlineData("bash")]
    [InlineData("zsh")]
    [InlineData("fish")]
    public async Task Script_OfEachShell_AsksTheProgram(string shell) =>
        Assert.Contains("[suggest:", (await new Support.Cli().RunAsync("completion", shell)).Out);
}

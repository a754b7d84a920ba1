using Marionette.Cli.Tests.Support;

namespace Marionette.Cli.Tests;

/// <summary>The script at the root, in a checkout of its own with a space in its path and stand-ins for what it would build.</summary>
public sealed class ScriptTests : IDisposable
{
    private readonly TempFolder folder = new();

    public ScriptTests()
    {
        folder.Script("repo/marionette", "");
        File.Copy(Path.Combine(Shell.Source, "marionette"), folder["repo/marionette"], overwrite: true);
        folder.Script("repo/artifacts/cli/marionette-cli", "printf '%s\\n' \"$$\" \"$PWD\" \"$MARIONETTE_HOME\" \"$MARIONETTE_CLAUDE\" \"$@\"; exit 42");
        folder.Script("tools/claude", "echo 0");
        folder.Script("bin/dotnet", "echo \"dotnet $*\" >> \"$CALLS\"; [ \"$1\" = publish ] || exit 0; while [ $# -gt 0 ]; do [ \"$1\" = -o ] && out=$2; shift; done; mkdir -p \"$out\"; printf '#!/bin/sh\\necho built\\n' > \"$out/marionette-cli\"; chmod +x \"$out/marionette-cli\"; touch \"$out/marionette-cli.dll\"; [ -z \"$BREAK\" ] || { echo 'x.cs(1,1): error CS1: see https://packages.example.org/x'; exit 1; }");
        folder.Write("repo/cli/Marionette.Cli.csproj", "<Project/>");
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task Start_FromAnyFolder_HandsOverAndKeepsTheProcess()
    {
        var said = await RunAsync(["tasks", "run", "two words", "$HOME *", ""], ("MARIONETTE_SKIP_SETUP", "1"));
        Assert.Equal((42, ""), (said.Code, said.Error));
        Assert.Equal([$"{said.Id}", "/tmp", folder["repo/artifacts"], folder["tools/claude"], "tasks", "run", "two words", "$HOME *", ""], said.Out[..^1].Split('\n'));
    }

    [Fact]
    public async Task Start_ThroughALink_FindsItsCheckout()
    {
        File.CreateSymbolicLink(folder["link"], folder["repo/marionette"]);
        var said = await Shell.RunAsync(folder["link"], ["version"], "/tmp", ("MARIONETTE_SKIP_SETUP", "1"), ("MARIONETTE_CLAUDE", folder["tools/claude"]));
        Assert.Equal(folder["repo/artifacts"], said.Out.Split('\n')[2]);
    }

    [Fact]
    public async Task Build_SourcesUnchanged_HappensOnce()
    {
        Assert.Contains("built", (await RunAsync(["version"])).Out);
        Assert.Equal("built\n", (await RunAsync(["version"])).Out);
        Assert.Single(Publishes());
        folder.Write("repo/cli/New.cs", "// new");
        await RunAsync(["version"]);
        Assert.Equal(2, Publishes().Length);
        File.SetLastWriteTimeUtc(folder["repo/cli/New.cs"], new DateTime(2030, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        await RunAsync(["version"]);
        Assert.Equal(2, Publishes().Length);
        File.Delete(folder["repo/cli/New.cs"]);
        await RunAsync(["version"]);
        Assert.Equal(3, Publishes().Length);
    }

    [Fact]
    public async Task Build_ThatFails_ShowsTheErrorTheLogAndNoHost()
    {
        var said = await RunAsync(["version"], ("BREAK", "1"));
        Assert.Equal((1, ""), (said.Code, said.Out));
        Assert.Contains("x.cs(1,1): error CS1", said.Error);
        Assert.Contains(folder["repo/artifacts/log/build-cli.log"], said.Error);
        Assert.DoesNotContain("packages.example.org", said.Error + await File.ReadAllTextAsync(folder["repo/artifacts/log/build-cli.log"], TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Completion_SourcesChanged_DoesNotBuild()
    {
        var said = await RunAsync(["[suggest:0]", ""]);
        Assert.Equal(42, said.Code);
        Assert.Empty(Publishes());
    }

    [Theory]
    [InlineData("MARIONETTE_CLAUDE", "/nonexistent/claude", "MARIONETTE_CLAUDE names /nonexistent/claude, which cannot be executed.")]
    public async Task Start_WhatIsNamedIsNotThere_SaysSo(string name, string value, string message)
    {
        var said = await RunAsync(["version"], ("MARIONETTE_SKIP_SETUP", "1"), (name, value));
        Assert.Equal(1, said.Code);
        Assert.Contains(message, said.Error);
    }

    [Fact]
    public async Task CiRun_CallsTheTestCommandAlone()
    {
        folder.Script("repo/.ci/run", "");
        File.Copy(Path.Combine(Shell.Source, ".ci", "run"), folder["repo/.ci/run"], overwrite: true);
        var said = await Shell.RunAsync(folder["repo/.ci/run"], [], "/tmp", ("MARIONETTE_SKIP_SETUP", "1"), ("MARIONETTE_CLAUDE", folder["tools/claude"]));
        Assert.Equal((42, "test"), (said.Code, said.Out.TrimEnd('\n').Split('\n')[^1]));
    }

    private string[] Publishes() => File.Exists(folder["calls"]) ? [.. File.ReadAllLines(folder["calls"]).Where(line => line.StartsWith("dotnet publish", StringComparison.Ordinal))] : [];

    private Task<Said> RunAsync(string[] arguments, params (string Name, string? Value)[] variables) => Shell.RunAsync(folder["repo/marionette"], arguments, "/tmp",
        [("MARIONETTE_CLAUDE", folder["tools/claude"]), ("PATH", $"{folder["bin"]}:{Environment.GetEnvironmentVariable("PATH")}"), ("CALLS", folder["calls"]), ("DOTNET_ROOT", null), .. variables]);
}

using Marionette.Agent.Hosts;
using Marionette.Hosts.Tests.Daemon.Support;

namespace Marionette.Hosts.Tests.Daemon;

public sealed class HostOptionsTests
{
    private static readonly Dictionary<string, string> NoEnvironment = [];

    [Fact]
    public void Parse_Everything_IsTaken()
    {
        var options = HostOptions.Parse(
            ["--server", "https://gate.example:8443", "--pool", "builders", "--token", "mj_1", "--state", "/srv/host/", "--name", "ada", "--label", "zone=b",
                "--label", "disk=", "--cpus", "3.5", "--memory-mib", "4096", "--disk-mib", "8192", "--tools", "/opt/a", "--tools", "/opt/b"],
            NoEnvironment,
            out var problem)!;
        Assert.Equal("", problem);
        Assert.Equal(HostVerb.Run, options.Verb);
        Assert.Equal(("https://gate.example:8443/", "builders", "mj_1", "/srv/host", "ada"),
            (options.Server!.AbsoluteUri, options.Pool, options.Token, options.State, options.Name));
        Assert.Equal(new Dictionary<string, string> { ["zone"] = "b", ["disk"] = "" }, options.Labels!);
        Assert.Equal((3.5, 4096L, 8192L), (options.Cpus!.Value, options.MemoryMib!.Value, options.DiskMib!.Value));
        Assert.Equal(["/opt/a", "/opt/b"], options.Tools!);
    }

    [Fact]
    public void Parse_Nothing_LeavesAllToTheStateFolder()
    {
        var options = HostOptions.Parse([], NoEnvironment, out _)!;
        Assert.Equal(HostOptions.DefaultState, options.State);
        Assert.Null(options.Server);
        Assert.Null(options.Labels);
        Assert.Null(options.Cpus);
        Assert.Equal("", options.Token);
    }

    [Theory]
    [InlineData("--check", HostVerb.Check)]
    [InlineData("--doctor", HostVerb.Doctor)]
    [InlineData("--leave", HostVerb.Leave)]
    public void Parse_Verb_IsTold(string option, object verb) => Assert.Equal(verb, HostOptions.Parse([option], NoEnvironment, out _)!.Verb);

    [Theory]
    [InlineData("--server", "ftp://a")]
    [InlineData("--server", "http://user@a")]
    [InlineData("--server", "http://a/path")]
    [InlineData("--pool", "Builders")]
    [InlineData("--pool", "-b")]
    [InlineData("--pool", "")]
    [InlineData("--state", "relative")]
    [InlineData("--name", "")]
    [InlineData("--name", "two\nlines")]
    [InlineData("--label", "novalue")]
    [InlineData("--label", "=x")]
    [InlineData("--label", "a b=x")]
    [InlineData("--cpus", "0")]
    [InlineData("--cpus", "NaN")]
    [InlineData("--cpus", "-1")]
    [InlineData("--memory-mib", "63")]
    [InlineData("--memory-mib", "4G")]
    [InlineData("--disk-mib", "-5")]
    [InlineData("--tools", "bin")]
    [InlineData("--tools", "/a:/b")]
    [InlineData("--token", "two words")]
    [InlineData("--colour", "red")]
    public void Parse_BadValue_IsRefused(string option, string value)
    {
        Assert.Null(HostOptions.Parse([option, value], NoEnvironment, out var problem));
        Assert.NotEqual("", problem);
    }

    [Fact]
    public void Parse_SeveralFaults_AreToldInOneLine()
    {
        Assert.Null(HostOptions.Parse(["--cpus", "x", "--pool", "X", "--check", "--leave", "--name"], NoEnvironment, out var problem));
        Assert.DoesNotContain('\n', problem);
        foreach (var part in new[] { "--cpus", "--pool", "only one of --check", "--name needs a value" })
            Assert.Contains(part, problem);
    }

    [Fact]
    public void Parse_Token_ComesFromArgumentFileOrEnvironment()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder.At("token"), "mj_file\n");
        var environment = new Dictionary<string, string> { [HostOptions.TokenVariable] = "mj_environment" };
        Assert.Equal("mj_environment", HostOptions.Parse([], environment, out _)!.Token);
        Assert.Equal("mj_file", HostOptions.Parse(["--token-file", folder.At("token")], environment, out _)!.Token);
        Assert.Equal("mj_argument", HostOptions.Parse(["--token", "mj_argument"], environment, out _)!.Token);
        Assert.Null(HostOptions.Parse(["--token", "a", "--token-file", folder.At("token")], environment, out _));
        Assert.Null(HostOptions.Parse(["--token-file", folder.At("absent")], environment, out _));
    }
}

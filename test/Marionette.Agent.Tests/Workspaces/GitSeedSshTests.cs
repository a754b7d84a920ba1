using Marionette.Agent.Workspaces;

namespace Marionette.Agent.Tests.Workspaces;

/// <summary>Clones over ssh, from a real sshd: with the keys that the runner's image has, and no others.</summary>
public sealed class GitSeedSshTests : IAsyncLifetime
{
    private readonly string temp = Directory.CreateTempSubdirectory("marionette-seed-").FullName;
    private readonly Dictionary<string, string> environment = [];
    private GitHost host = null!;
    private SshHost? ssh;

    private string Workspace => Path.Combine(temp, "workspace");

    public async ValueTask InitializeAsync()
    {
        host = await GitHost.StartAsync();
        if (SshHost.Obstacle is not null)
            return;
        ssh = await SshHost.StartAsync(host.Root);
        environment["PATH"] = ssh.Tools + ":" + Environment.GetEnvironmentVariable("PATH");
    }

    public async ValueTask DisposeAsync()
    {
        if (ssh is not null)
            await ssh.DisposeAsync();
        await host.DisposeAsync();
        Directory.Delete(temp, recursive: true);
    }

    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 0)]
    public async Task Seed_OverSsh_IsThere(bool isShort, int depth)
    {
        Assert.SkipWhen(ssh is null, SshHost.Obstacle ?? "");
        var commits = await host.RepositoryAsync("r.git");
        var url = ssh.Url("r.git", isShort);
        var report = await SeedAsync(new GitSeedOptions { Url = url, Ref = "main", Depth = depth });
        Assert.Equal((commits[^1], "refs/heads/main"), (report.Commit, report.Ref));
        Assert.Equal("version 3\n", await File.ReadAllTextAsync(Path.Combine(Workspace, "src", "file"), TestContext.Current.CancellationToken));
        Assert.Equal(url, (await GitHost.GitAsync(Workspace, "config", "remote.origin.url")).Trim());
    }

    [Theory]
    [InlineData("key", nameof(GitSeedFault.Auth), "takes none of the keys that the runner's image has")]
    [InlineData("server", nameof(GitSeedFault.Unreachable), "known_hosts")]
    [InlineData("repository", nameof(GitSeedFault.NotFound), "check url")]
    [InlineData("branch", nameof(GitSeedFault.RefMissing), "check ref")]
    [InlineData("program", nameof(GitSeedFault.GitMissing), "needs ssh")]
    [InlineData("closed", nameof(GitSeedFault.Unreachable), "cannot be reached")]
    public async Task Seed_OverSsh_ThatCannotBe_SaysWhyAndLeavesNothing(string why, string fault, string says)
    {
        Assert.SkipWhen(ssh is null, SshHost.Obstacle ?? "");
        await host.RepositoryAsync("r.git");
        await ssh.AllowAsync(why == "key" ? "other" : "user", why == "server" ? "other" : "host");
        if (why == "program")
            environment["PATH"] = Alone("git", "sh");
        var url = why switch { "repository" => ssh.Url("none.git"), "closed" => "ssh://a@127.0.0.1:1/r.git", _ => ssh.Url("r.git") };
        var failure = await Assert.ThrowsAsync<GitSeedException>(() => SeedAsync(new GitSeedOptions { Url = url, Ref = why == "branch" ? "nowhere" : "" }));
        Assert.Equal(fault, failure.Fault.ToString());
        Assert.Contains(says, failure.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Workspace));
    }

    /// <summary>A folder of links to these programs and nothing else.</summary>
    private string Alone(params string[] programs)
    {
        var folder = Directory.CreateDirectory(Path.Combine(temp, "alone")).FullName;
        foreach (var program in programs)
            File.CreateSymbolicLink(
                Path.Combine(folder, program), Environment.GetEnvironmentVariable("PATH")!.Split(':').Select(at => Path.Combine(at, program)).First(File.Exists));
        return folder;
    }

    private Task<GitSeedReport> SeedAsync(GitSeedOptions options) =>
        new GitSeed(Workspace, environment, TimeProvider.System).RunAsync(options, null, TestContext.Current.CancellationToken);
}

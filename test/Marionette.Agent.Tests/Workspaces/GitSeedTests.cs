using System.Text;
using Marionette.Agent.Workspaces;

namespace Marionette.Agent.Tests.Workspaces;

public sealed class GitSeedTests : IAsyncLifetime
{
    private readonly string temp = Directory.CreateTempSubdirectory("marionette-seed-").FullName;
    private readonly Dictionary<string, string> environment = new() { ["PATH"] = Environment.GetEnvironmentVariable("PATH")! };
    private GitHost host = null!;

    private string Workspace => Path.Combine(temp, "workspace");

    private static GitCredential Good => new(GitHost.User, GitHost.Secret);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => host = await GitHost.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await host.DisposeAsync();
        Directory.Delete(temp, recursive: true);
    }

    [Theory]
    [InlineData("", 2, "refs/heads/main")]
    [InlineData("main", 2, "refs/heads/main")]
    [InlineData("topic/one", 1, "refs/heads/topic/one")]
    [InlineData("v1", 0, "refs/tags/v1")]
    [InlineData("light", 2, "refs/tags/light")]
    [InlineData("refs/heads/topic/one", 1, "refs/heads/topic/one")]
    [InlineData("commit", 1, "")]
    public async Task Seed_OfARef_IsThereWithAsMuchHistoryAsAsked(string name, int at, string expected)
    {
        var commits = await host.RepositoryAsync("r.git");
        foreach (var depth in new[] { 1, 2, 0 })
        {
            if (Directory.Exists(Workspace))
                Directory.Delete(Workspace, recursive: true);
            var report = await SeedAsync(Local() with { Ref = name == "commit" ? commits[at] : name, Depth = depth });
            Assert.Equal((commits[at], expected), (report.Commit, report.Ref));
            Assert.Equal($"version {at + 1}\n", await File.ReadAllTextAsync(Path.Combine(Workspace, "src", "file"), Token));
            Assert.Equal([".git", "readme", "src"], Entries());
            Assert.Equal("", await GitHost.GitAsync(Workspace, "status", "--porcelain"));
            var there = (await GitHost.GitAsync(Workspace, "rev-list", "HEAD")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Length;
            Assert.Equal(depth == 0 ? at + 1 : Math.Min(depth, at + 1), there);
            var branch = expected.StartsWith("refs/heads/", StringComparison.Ordinal) ? expected["refs/heads/".Length..] : "";
            Assert.Equal(branch, (await GitHost.GitAsync(Workspace, "branch", "--show-current")).Trim());
            if (branch.Length > 0)
                Assert.Equal($"refs/remotes/origin/{branch}", (await GitHost.GitAsync(Workspace, "rev-parse", "--symbolic-full-name", "@{upstream}")).Trim());
            Assert.InRange(report.Bytes, 1, 10_000_000);
        }
    }

    [Fact]
    public async Task Seed_OfAllHistory_LeavesOldContentAtTheServer()
    {
        await host.RepositoryAsync("r.git");
        await SeedAsync(Local() with { Depth = 0 });
        Assert.Contains("?", await GitHost.GitAsync(Workspace, "rev-list", "--objects", "--all", "--missing=print"), StringComparison.Ordinal);
        Directory.Delete(Workspace, recursive: true);
        await SeedAsync(Local() with { Depth = 0, Filter = "" });
        Assert.DoesNotContain("?", await GitHost.GitAsync(Workspace, "rev-list", "--objects", "--all", "--missing=print"), StringComparison.Ordinal);
        Assert.Equal(3, (await GitHost.GitAsync(Workspace, "branch", "-r")).Split('\n').Length); // main, topic/one and what is behind the last line feed
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task Seed_WithAPassword_LeavesItNowhere(int depth)
    {
        await host.RepositoryAsync("r.git");
        var seen = new List<string>();
        host.Before = context =>
        {
            if (context.Request.Headers.Authorization.Count > 0)
                lock (seen)
                    seen.AddRange(Processes());
            return Task.FromResult(false);
        };
        var progress = new Recorded();
        await SeedAsync(Remote() with { Depth = depth }, progress);
        Assert.True(host.Asked.Count(one => one is not null) >= 3);
        Assert.Contains(seen, line => line.Contains("git-remote-http", StringComparison.Ordinal) || line.Contains("remote-http", StringComparison.Ordinal));
        Assert.DoesNotContain(seen, line => line.Contains(GitHost.Secret, StringComparison.Ordinal));
        Assert.DoesNotContain(Directory.EnumerateFiles(temp, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 }), HasSecret);
        Assert.DoesNotContain(progress.All, one => one.Detail.Contains(GitHost.Secret, StringComparison.Ordinal));
        Assert.Equal(host.Http("r.git"), (await GitHost.GitAsync(Workspace, "config", "remote.origin.url")).Trim());
        Assert.Equal("", await GitHost.GitAsync(Workspace, "status", "--porcelain"));
    }

    [Fact]
    public async Task Seed_RedirectedToAnotherServer_DoesNotTellItThePassword()
    {
        await host.RepositoryAsync("r.git");
        await using var other = await GitHost.StartAsync();
        await other.RepositoryAsync("r.git");
        host.Before = context =>
        {
            context.Response.Redirect(other.Url + context.Request.Path + context.Request.QueryString);
            return Task.FromResult(true);
        };
        Assert.Equal(GitSeedFault.Auth, (await FailedAsync(Remote())).Fault);
        Assert.NotEmpty(other.Asked);
        Assert.All(other.Asked, Assert.Null);
    }

    [Fact]
    public async Task Seed_OfAServerThatMovedTheRepository_FollowsThere()
    {
        await host.RepositoryAsync("r.git");
        host.Before = context =>
        {
            if (!context.Request.Path.StartsWithSegments("/old.git"))
                return Task.FromResult(false);
            context.Response.Redirect("/r.git" + context.Request.Path.Value!["/old.git".Length..] + context.Request.QueryString);
            return Task.FromResult(true);
        };
        await SeedAsync(Remote() with { Url = host.Http("old.git") });
        Assert.Equal([".git", "readme", "src"], Entries());
    }

    [Fact]
    public async Task Seed_NothingOfTheMachine_TakesPart()
    {
        await host.RepositoryAsync("r.git");
        var home = Directory.CreateDirectory(Path.Combine(temp, "home")).FullName;
        var trace = Path.Combine(temp, "trace");
        foreach (var hook in new[] { "hooks/post-checkout", "template/hooks/post-checkout", "helper", "askpass" })
        {
            var path = Path.Combine(home, hook);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllTextAsync(path, $"#!/bin/sh\necho {hook} >> {trace}\nexit 0\n", Token);
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }

        await File.WriteAllTextAsync(
            Path.Combine(home, ".gitconfig"), $"[core]\nhooksPath = {home}/hooks\naskPass = {home}/askpass\n[init]\ntemplateDir = {home}/template\n[credential]\nhelper = {home}/helper\n", Token);
        (environment["HOME"], environment["GIT_TEMPLATE_DIR"], environment["GIT_ASKPASS"]) = (home, home + "/template", home + "/askpass");
        (environment["GIT_CONFIG_COUNT"], environment["GIT_CONFIG_KEY_0"], environment["GIT_CONFIG_VALUE_0"]) = ("1", "core.hooksPath", home + "/hooks");
        await SeedAsync(Remote());
        Assert.False(File.Exists(trace), "something of the machine's was run");
        Assert.False(Directory.Exists(Path.Combine(Workspace, ".git", "hooks")));
        Assert.Equal(GitSeedFault.NotEmpty, (await FailedAsync(Remote(), isEmpty: false)).Fault);
        Directory.Delete(Workspace, recursive: true);
        await FailedAsync(Remote() with { Credential = null });
        Assert.False(File.Exists(trace), "something of the machine's was run");
    }

    [Theory]
    [InlineData("none", nameof(GitSeedFault.Auth), "wants a credential")]
    [InlineData("wrong", nameof(GitSeedFault.Auth), "refused the credential of robot")]
    [InlineData("forbidden", nameof(GitSeedFault.Auth), "403")]
    [InlineData("absent", nameof(GitSeedFault.NotFound), "check url")]
    [InlineData("branch", nameof(GitSeedFault.RefMissing), "no branch, tag or full commit 'nowhere'")]
    [InlineData("commit", nameof(GitSeedFault.RefMissing), "check ref")]
    [InlineData("closed", nameof(GitSeedFault.Unreachable), "cannot be reached")]
    [InlineData("broken", nameof(GitSeedFault.Unreachable), "returned error: 503")]
    [InlineData("no git", nameof(GitSeedFault.GitMissing), "into the runner's image")]
    [InlineData("large", nameof(GitSeedFault.TooLarge), "more than 100 bytes")]
    [InlineData("slow", nameof(GitSeedFault.TimedOut), "within 1 s")]
    [InlineData("empty", nameof(GitSeedFault.RefMissing), "no commit to begin with")]
    [InlineData("protocol", nameof(GitSeedFault.Invalid), "file is not allowed here")]
    [InlineData("local", nameof(GitSeedFault.NotFound), "check url")]
    [InlineData("own name", nameof(GitSeedFault.Invalid), "name of Marionette's own")]
    public async Task Seed_ThatCannotBe_SaysWhyAndLeavesNothing(string why, string fault, string says)
    {
        await host.RepositoryAsync("r.git", why == "own name" ? work => File.WriteAllText(Path.Combine(work, SeedFolder.Name), "x") : null);
        await GitHost.GitAsync(host.Root, "init", "-q", "--bare", "empty.git");
        host.Before = async context =>
        {
            context.Response.StatusCode = why switch { "forbidden" => 403, "broken" => 503, _ => 200 };
            // A server that never answers: git is ended by the limit, and its request with it.
            if (why == "slow")
                await Task.Delay(Timeout.Infinite, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return context.Response.StatusCode != 200 || why == "slow";
        };
        if (why == "no git")
            environment["PATH"] = temp;
        var options = why switch
        {
            "none" => Remote() with { Credential = null },
            "wrong" => Remote() with { Credential = Good with { Secret = "wrong-canary" } },
            "absent" => Remote() with { Url = host.Http("other.git") },
            "branch" => Remote() with { Ref = "nowhere" },
            "commit" => Remote() with { Ref = new string('1', 40) },
            "closed" => Remote() with { Url = "http://127.0.0.1:1/r.git" },
            "large" => Remote() with { MaxBytes = 100 },
            "slow" => Remote() with { TimeLimit = TimeSpan.FromSeconds(1) },
            "empty" => Remote() with { Url = host.Http("empty.git") },
            "protocol" => new GitSeedOptions { Url = host.File("r.git") },
            "local" => Local() with { Url = host.File("other.git") },
            _ => Remote(),
        };
        var failure = await FailedAsync(options);
        Assert.Equal(fault, failure.Fault.ToString());
        Assert.Contains(says, failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("canary", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/srv/r.git", "", "url must be")]
    [InlineData("ext::sh -c true", "", "url must be")]
    [InlineData("--upload-pack=touch", "", "url must be")]
    [InlineData("-oProxyCommand=x@host:r", "", "url must be")]
    [InlineData("https://a:b@host/r.git", "", "no user and password")]
    [InlineData("https://host/r.git\nx", "", "url must be")]
    [InlineData("http://host/r.git", "", "http is not allowed")]
    [InlineData("https://host/r.git", "-d", "ref must be")]
    [InlineData("https://host/r.git", "a..b", "ref must be")]
    [InlineData("https://host/r.git", "a b", "ref must be")]
    [InlineData("https://host/r.git", "a:b", "ref must be")]
    [InlineData("https://host/r.git", "a/", "ref must be")]
    [InlineData("https://host/r.git", "main\n", "ref must be")]
    public async Task Seed_OfWhatIsNoAddress_IsRefusedBeforeAnythingRuns(string url, string name, string says)
    {
        var failure = await FailedAsync(new GitSeedOptions { Url = url, Ref = name });
        Assert.Equal(GitSeedFault.Invalid, failure.Fault);
        Assert.Contains(says, failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("git@host.example:owner/r.git", "ssh")]
    [InlineData("ssh://git@host.example/r.git", "ssh")]
    [InlineData("HTTPS://host.example/r.git", "https")]
    public void Options_OfAnAddress_KnowItsProtocol(string url, string protocol)
    {
        var options = new GitSeedOptions { Url = url };
        Assert.Equal(protocol, options.Protocol);
        Assert.Empty(options.Problems());
    }

    [Fact]
    public void Options_ThatCannotBe_AreAllTold()
    {
        var options = new GitSeedOptions
        {
            Url = "ssh://host/r", Depth = -1, Filter = "sparse:oid=x", TimeLimit = TimeSpan.Zero, MaxBytes = 0, Protocols = ["ssh", "ext"], Credential = new GitCredential("a\n", "c\nd"),
        };
        Assert.Equal(8, options.Problems().Count());
        Assert.DoesNotContain("c\nd", options.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Seed_AfterACrashInTheClone_BeginsAnew()
    {
        await host.RepositoryAsync("r.git");
        Directory.CreateDirectory(Path.Combine(Workspace, SeedFolder.Name, "tree", "half"));
        Assert.True(Seed().IsFree);
        await SeedAsync(Local());
        Assert.Equal([".git", "readme", "src"], Entries());
        Assert.False(Seed().IsFree);
    }

    [Fact]
    public async Task Seed_AfterACrashWhileItMovedUp_EndsWithoutTheServer()
    {
        await host.RepositoryAsync("r.git");
        var first = await SeedAsync(Local());
        // As it stood in between: the clone was whole, and one of its entries was moved.
        var tree = Directory.CreateDirectory(Path.Combine(Workspace, SeedFolder.Name, "tree")).FullName;
        Directory.Move(Path.Combine(Workspace, ".git"), Path.Combine(tree, ".git"));
        Directory.Move(Path.Combine(Workspace, "src"), Path.Combine(tree, "src"));
        await File.WriteAllTextAsync(Path.Combine(Workspace, SeedFolder.Name, "whole"), $"{first.Commit}\n{first.Ref}\n{first.Bytes}\n{first.Took.Ticks}", Token);
        Assert.True(Seed().IsFree);
        var again = await SeedAsync(Local() with { Url = host.File("gone.git") });
        Assert.Equal(first, again);
        Assert.Equal([".git", "readme", "src"], Entries());
        Assert.Equal("", await GitHost.GitAsync(Workspace, "status", "--porcelain"));
    }

    [Fact]
    public async Task Seed_Cancelled_KillsGitAndLeavesNothing()
    {
        await host.RepositoryAsync("r.git");
        using var stop = new CancellationTokenSource();
        var gone = new TaskCompletionSource();
        host.Before = async context =>
        {
            await stop.CancelAsync();
            // Held until git is gone: that it goes is what is tested.
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            gone.TrySetResult();
            return true;
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Seed().RunAsync(Remote(), null, stop.Token));
        await gone.Task.WaitAsync(Token);
        Assert.Empty(Entries());
    }

    [Fact]
    public async Task Seed_WithSubmodules_HasThemByAllowedProtocolsAlone()
    {
        await host.RepositoryAsync("inner.git");
        await host.RepositoryAsync("r.git");
        var work = Path.Combine(host.Root, "outer");
        await GitHost.GitAsync(host.Root, "clone", "-q", "r.git", work);
        await GitHost.GitAsync(work, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", host.File("inner.git"), "inner");
        await GitHost.GitAsync(work, "commit", "-q", "-m", "with a module");
        await GitHost.GitAsync(work, "push", "-q", "origin", "HEAD:main");
        await SeedAsync(Local());
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(Workspace, "inner")));
        Directory.Delete(Workspace, recursive: true);
        await SeedAsync(Local() with { Submodules = true });
        Assert.True(File.Exists(Path.Combine(Workspace, "inner", "src", "file")));
        Directory.Delete(Workspace, recursive: true);
        Assert.Equal(GitSeedFault.Invalid, (await FailedAsync(Remote() with { Submodules = true })).Fault);
    }

    [Fact]
    public async Task Seed_OfMuch_TellsHowFarItIs()
    {
        await host.RepositoryAsync("r.git", work =>
        {
            for (var i = 0; i < 300; i++)
                File.WriteAllText(Path.Combine(work, $"many-{i}"), $"{i}");
        });
        var progress = new Recorded();
        await SeedAsync(Local(), progress);
        Assert.Contains(progress.All, one => one is { Step: "Receiving objects", Percent: 100 });
        Assert.Equal(progress.All.Count, progress.All.Select(one => (one.Step, one.Percent)).Distinct().Count());
    }

    private GitSeedOptions Local() => new() { Url = host.File("r.git"), Protocols = ["file"] };

    private GitSeedOptions Remote() => new() { Url = host.Http("r.git"), Protocols = ["http"], Credential = Good };

    private GitSeed Seed() => new(Workspace, environment, TimeProvider.System);

    private Task<GitSeedReport> SeedAsync(GitSeedOptions options, IProgress<GitSeedProgress>? progress = null) => Seed().RunAsync(options, progress, Token);

    private async Task<GitSeedException> FailedAsync(GitSeedOptions options, bool isEmpty = true)
    {
        var failure = await Assert.ThrowsAsync<GitSeedException>(() => SeedAsync(options));
        if (isEmpty)
            Assert.Empty(Entries());
        return failure;
    }

    private string[] Entries() => Directory.Exists(Workspace) ? [.. Directory.GetFileSystemEntries(Workspace).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)] : [];

    private static bool HasSecret(string path) => File.ReadAllBytes(path).AsSpan().IndexOf(Encoding.ASCII.GetBytes(GitHost.Secret)) >= 0;

    /// <summary>Command line and environment of every process that may be looked at.</summary>
    private static IEnumerable<string> Processes()
    {
        foreach (var folder in Directory.GetDirectories("/proc").Where(path => char.IsAsciiDigit(Path.GetFileName(path)[0])))
        {
            var text = "";
            try
            {
                text = File.ReadAllText(folder + "/cmdline") + "\n" + File.ReadAllText(folder + "/environ");
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // It ended, or is another's.
            }

            yield return text;
        }
    }

    private sealed class Recorded : IProgress<GitSeedProgress>
    {
        public List<GitSeedProgress> All { get; } = [];

        public void Report(GitSeedProgress value) => All.Add(value);
    }
}

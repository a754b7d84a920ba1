using System.Security.Cryptography;
using Marionette.Agent.Workspaces;

namespace Marionette.Agent.Tests.Workspaces;

/// <summary>Clones that begin with what an earlier one has fetched: less comes from the server, and nothing is there that a clone without would not have.</summary>
public sealed class GitMirrorTests : IAsyncLifetime
{
    private readonly string temp = Directory.CreateTempSubdirectory("marionette-mirror-").FullName;
    private readonly Dictionary<string, string> environment = new() { ["PATH"] = Environment.GetEnvironmentVariable("PATH")! };
    private FolderMirrors mirrors = null!;
    private GitHost host = null!;
    private int clones;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Workspace => Path.Combine(temp, $"workspace-{clones}");

    public async ValueTask InitializeAsync()
    {
        host = await GitHost.StartAsync();
        mirrors = new FolderMirrors(temp);
        await host.RepositoryAsync("r.git", work => File.WriteAllBytes(Path.Combine(work, "large"), RandomNumberGenerator.GetBytes(200_000)));
    }

    public async ValueTask DisposeAsync()
    {
        await host.DisposeAsync();
        Directory.Delete(temp, recursive: true);
    }

    [Theory]
    [InlineData(1, null)]
    [InlineData(2, null)]
    [InlineData(0, null)]
    [InlineData(0, "")]
    public async Task Seed_WithAMirror_FetchesWhatIsNew_AndHasWhatTheServerNames(int depth, string? filter)
    {
        var options = Remote() with { Depth = depth, Filter = filter };
        Assert.Equal(MirrorState.None, (await SeedAsync(options)).State);
        var same = await SeedAsync(options);
        Assert.Equal((MirrorState.Used, 0L), (same.State, same.Fetched));
        Assert.InRange(same.Bytes, 200_000, 1_000_000);
        await AssertLikeNewAsync(options);

        await PushAsync("next", isForced: false);
        var moved = await SeedAsync(options);
        Assert.Equal(MirrorState.Used, moved.State);
        Assert.InRange(moved.Fetched, 1, 20_000);
        await AssertLikeNewAsync(options);
        Assert.InRange(mirrors.Offered!.Fetched, 1, 20_000);

        // What the server has taken back is not to be had from the mirror.
        var before = await GitHost.GitAsync(Workspace, "rev-parse", "HEAD");
        await PushAsync("another", isForced: true);
        Assert.Equal(MirrorState.Used, (await SeedAsync(options)).State);
        await AssertLikeNewAsync(options);
        Assert.DoesNotContain(before.Trim(), await ObjectsAsync(), StringComparer.Ordinal);
    }

    [Fact]
    public async Task Seed_OfAnotherRef_BeginsWithTheMirror_AsWell()
    {
        await SeedAsync(Remote());
        var tag = await SeedAsync(Remote() with { Ref = "v1" });
        Assert.Equal(MirrorState.Used, tag.State);
        Assert.Equal("version 1\n", await File.ReadAllTextAsync(Path.Combine(Workspace, "src", "file"), Token));
        await AssertLikeNewAsync(Remote() with { Ref = "v1" });
    }

    [Fact]
    public async Task Seed_WithACredentialThatTheServerRefuses_GetsNothing_AndDoesNotAskForAMirror()
    {
        await SeedAsync(Remote());
        var asked = mirrors.Asked;
        foreach (var credential in new[] { null, new GitCredential(GitHost.User, "wrong") })
        {
            clones++;
            var failure = await Assert.ThrowsAsync<GitSeedException>(() => Seed().RunAsync(Remote() with { Credential = credential }, null, Token));
            Assert.Equal(GitSeedFault.Auth, failure.Fault);
            Assert.Empty(Directory.EnumerateFileSystemEntries(Workspace));
        }

        Assert.Equal(asked, mirrors.Asked);
    }

    [Fact]
    public async Task Seed_OfACommit_AsksTheServerAlone()
    {
        await SeedAsync(Remote());
        var (asked, commit) = (mirrors.Asked, (await GitHost.GitAsync(Workspace, "rev-parse", "HEAD")).Trim());
        clones++;
        Assert.Null((await Seed().RunAsync(Remote() with { Ref = commit }, null, Token)).Mirror);
        Assert.Equal(asked, mirrors.Asked);
    }

    [Theory]
    [InlineData("damaged")]
    [InlineData("cut short")]
    [InlineData("incomplete")]
    [InlineData("tips of nothing")]
    [InlineData("no list")]
    [InlineData("link")]
    [InlineData("wrong history")]
    public async Task Seed_WithAMirrorThatDoesNotServe_IsMadeWithout_AndTheMirrorIsGone(string what)
    {
        var options = Remote() with { Depth = 0, Filter = "" };
        await SeedAsync(options);
        var pack = Directory.GetFiles(mirrors.Kept, "*.pack").Single();
        File.SetUnixFileMode(pack, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var bytes = await File.ReadAllBytesAsync(pack, Token);
        var tips = Path.Combine(mirrors.Kept, "tips");
        switch (what)
        {
            case "damaged": bytes[bytes.Length / 2] ^= 1; await File.WriteAllBytesAsync(pack, bytes, Token); break;
            case "cut short": await File.WriteAllBytesAsync(pack, bytes[..^100], Token); break;
            case "incomplete": await MakeIncompleteAsync(); break;
            case "tips of nothing": await File.WriteAllTextAsync(tips, new string('1', 40) + "\n", Token); break;
            case "no list": await File.WriteAllTextAsync(tips, "HEAD\ndelete refs/heads/main\n", Token); break;
            case "link": File.Delete(pack); File.CreateSymbolicLink(pack, "/etc/passwd"); break;
            case "wrong history": File.Copy(tips, Path.Combine(mirrors.Kept, "shallow")); break;
        }

        var report = await SeedAsync(options);
        Assert.Equal((MirrorState.Dropped, 1), (report.State, mirrors.Dropped));
        Assert.NotEmpty(report.Why!);
        Assert.DoesNotContain(GitHost.Secret, report.Why, StringComparison.Ordinal);
        await AssertLikeNewAsync(options);
        Assert.False(File.Exists(Path.Combine(Workspace, ".git", "shallow")));
    }

    [Fact]
    public async Task Seed_WithTheMirrorOfAnotherRepository_HasNothingOfIt()
    {
        await host.RepositoryAsync("other.git", work => File.WriteAllText(Path.Combine(work, "private"), "private"));
        await SeedAsync(Remote() with { Url = host.Http("other.git") });
        var other = await ObjectsAsync();
        var report = await SeedAsync(Remote());
        Assert.Equal(MirrorState.Used, report.State);
        await AssertLikeNewAsync(Remote());
        var blob = (await GitHost.GitAsync(Path.Combine(host.Root, "other.git"), "rev-parse", "HEAD:private")).Trim();
        Assert.Contains(blob, other, StringComparer.Ordinal);
        Assert.DoesNotContain(blob, await ObjectsAsync(), StringComparer.Ordinal);
    }

    [Fact]
    public async Task Seed_WhileTheStoreIsAway_IsMadeWithout()
    {
        await SeedAsync(Remote());
        mirrors.IsAway = true;
        var report = await SeedAsync(Remote());
        Assert.Equal((MirrorState.Failed, "The store is away."), (report.State, report.Why));
        await AssertLikeNewAsync(Remote());
        Assert.Equal(0, mirrors.Dropped);
    }

    /// <summary>A pack of the newest commit alone, and no word of where its history is cut.</summary>
    private async Task MakeIncompleteAsync()
    {
        clones++;
        await Seed(isMirrored: false).RunAsync(Remote(), null, Token);
        Directory.Delete(mirrors.Kept, recursive: true);
        MirrorFolder.Write(mirrors.Kept, new MirrorOffer(
            Directory.GetFiles(Path.Combine(Workspace, ".git", "objects", "pack"), "*.pack"), [(await GitHost.GitAsync(Workspace, "rev-parse", "HEAD")).Trim()], [], 0, 0));
    }

    /// <summary>The newest clone is as one without a mirror: the same files and history, nothing that no name leads to, and no trace of a mirror.</summary>
    private async Task AssertLikeNewAsync(GitSeedOptions options)
    {
        var clone = Workspace;
        var objects = await ObjectsAsync();
        Assert.Equal("", await GitHost.GitAsync(clone, "status", "--porcelain"));
        Assert.Equal("", await GitHost.GitAsync(clone, "for-each-ref", "refs/marionette"));
        Assert.False(Directory.Exists(Path.Combine(clone, SeedFolder.Name)));
        var named = (await GitHost.GitAsync(clone, "rev-list", "--objects", "--no-object-names", "--missing=allow-any", "--all")).Split('\n');
        Assert.Empty(objects.Except(named));
        clones++;
        await Seed(isMirrored: false).RunAsync(options, null, Token);
        foreach (var command in new[] { "rev-parse HEAD", "rev-list --all", "for-each-ref", "ls-files -s", "config --local --list" })
            Assert.Equal(await GitHost.GitAsync(Workspace, command.Split(' ')), await GitHost.GitAsync(clone, command.Split(' ')));
        Assert.Empty((await ObjectsAsync()).Except(objects));
        clones--;
        Directory.Delete(Path.Combine(temp, $"workspace-{clones + 1}"), recursive: true);
    }

    private async Task<string[]> ObjectsAsync() =>
        (await GitHost.GitAsync(Workspace, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)")).Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>A new commit on main; forced: in place of the newest.</summary>
    private async Task PushAsync(string text, bool isForced)
    {
        var work = Path.Combine(temp, "work-" + text);
        await GitHost.GitAsync(temp, "clone", "-q", host.File("r.git"), work);
        if (isForced)
            await GitHost.GitAsync(work, "reset", "-q", "--hard", "HEAD~1");
        await File.WriteAllTextAsync(Path.Combine(work, "src", "file"), text + "\n", Token);
        await GitHost.GitAsync(work, "commit", "-qam", text);
        await GitHost.GitAsync(work, "push", "-q", "--force", "origin", "main");
    }

    private GitSeedOptions Remote() => new() { Url = host.Http("r.git"), Ref = "main", Protocols = ["http"], Credential = new GitCredential(GitHost.User, GitHost.Secret) };

    private GitSeed Seed(bool isMirrored = true) => new(Workspace, environment, TimeProvider.System, isMirrored ? mirrors : null);

    private async Task<MirrorReport> SeedAsync(GitSeedOptions options)
    {
        clones++;
        return (await Seed().RunAsync(options, null, Token)).Mirror!;
    }
}

using Marionette.Agent.Tests.Support;
using Marionette.Agent.Tests.Workspaces;
using Marionette.Agent.Workspaces;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Tests.Runs;

/// <summary>Which folders a runner goes on with; no store is at hand here.</summary>
public sealed class FolderOpeningTests
{
    [Theory]
    // The session's own runner wrote last, or one that the log does not know of yet.
    [InlineData("sess_1", 3, 3, true, "kept")]
    [InlineData("sess_1", 4, 3, true, "kept")]
    // An older runner did, or another session: what lies there is out of date.
    [InlineData("sess_1", 2, 3, true, "lost")]
    [InlineData("sess_2", 9, 3, true, "lost")]
    [InlineData(null, 0, 3, true, "lost")]
    // The session has never run: what it was given to work in is its beginning.
    [InlineData("sess_2", 9, 0, true, "kept")]
    [InlineData(null, 0, 0, true, "kept")]
    [InlineData(null, 0, 0, false, "new")]
    public async Task Folders_AreToldApart_ByWhoWroteLast(string? session, long epoch, long last, bool hasFiles, string source)
    {
        await using var harness = new DriverHarness(new Setup { Agent = "command", Session = "sess_1", Workspace = new WorkspaceSetup { LastEpoch = last } });
        Directory.CreateDirectory(harness.Home);
        Directory.CreateDirectory(harness.Workspace);
        if (session is not null)
            new FolderMark(session, epoch).Write(harness.Home);
        if (hasFiles)
            await File.WriteAllTextAsync(Path.Combine(harness.Workspace, "a.txt"), "a", TestContext.Current.CancellationToken);
        var opening = Opening(harness);
        opening.Begin(harness.Setup.Current, TestContext.Current.CancellationToken);
        Assert.Null(await opening.Ready);
        Assert.True(opening.IsOpen);
        Assert.Equal(source, harness.Of("workspace.ready").Single().GetProperty("source").GetString());
        Assert.Equal(new FolderMark("sess_1", harness.Services.Config.Epoch), FolderMark.Read(harness.Home));
        Assert.Equal(hasFiles, File.Exists(Path.Combine(harness.Workspace, "a.txt")));
    }

    [Theory]
    [InlineData("sess_1", 3, true)]
    [InlineData("sess_1", 2, false)]
    [InlineData("sess_2", 9, false)]
    public async Task WhatTheLastRunnerSawOfTheFiles_IsTakenUp_WhereTheyAreItsOwn(string session, long epoch, bool isTaken)
    {
        await using var harness = new DriverHarness(new Setup { Agent = "command", Session = "sess_1", Workspace = new WorkspaceSetup { LastEpoch = 3 } });
        var config = harness.Services.Config;
        Directory.CreateDirectory(harness.Workspace);
        Directory.CreateDirectory(config.StateDir);
        new FolderMark(session, epoch).Write(harness.Home);
        string[] caches = [StatCaches.Workspace(config), StatCaches.Home(config)];
        foreach (var cache in caches)
            await File.WriteAllTextAsync(cache, cache, TestContext.Current.CancellationToken);
        StatCaches.Leave(config, harness.Log);
        Assert.DoesNotContain(caches, File.Exists);

        var opening = Opening(harness);
        opening.Begin(harness.Setup.Current, TestContext.Current.CancellationToken);
        Assert.Null(await opening.Ready);
        foreach (var cache in caches)
            Assert.Equal(isTaken ? cache : null, File.Exists(cache) ? await File.ReadAllTextAsync(cache, TestContext.Current.CancellationToken) : null);
        Assert.Equal([FolderMark.FileName], Directory.GetFileSystemEntries(harness.Home, FolderMark.FileName + "*").Select(Path.GetFileName));
    }

    [Fact]
    public async Task Conversation_OfAHomeThatIsLost_IsNotGoneOnIn()
    {
        var setup = new Setup { Agent = "claude", Session = "sess_1", Conversation = "c-9", Workspace = new WorkspaceSetup { LastEpoch = 2 } };
        await using var harness = new DriverHarness(setup);
        Directory.CreateDirectory(harness.Workspace);
        var opening = Opening(harness);
        opening.Begin(harness.Setup.Current, TestContext.Current.CancellationToken);
        Assert.Null(await opening.Ready);
        Assert.Equal("", harness.Setup.Current.Conversation);
        // The server says it again with every welcome.
        harness.Setup.Set(setup.Clone());
        Assert.Equal("", harness.Setup.Current.Conversation);
    }

    [Fact]
    public async Task WithoutAStore_NothingIsMarkedOrTold()
    {
        await using var harness = new DriverHarness(new Setup { Agent = "command", Session = "sess_1" });
        var opening = Opening(harness);
        opening.Begin(harness.Setup.Current, TestContext.Current.CancellationToken);
        Assert.Null(await opening.Ready);
        Assert.False(opening.IsOpen);
        Assert.Empty(harness.Types);
        Assert.Null(FolderMark.Read(harness.Home));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[1]")]
    [InlineData("null")]
    public async Task Mark_ThatCannotBeRead_IsNone(string content)
    {
        await using var harness = new DriverHarness(new Setup { Agent = "command" });
        Directory.CreateDirectory(harness.Home);
        await File.WriteAllTextAsync(Path.Combine(harness.Home, FolderMark.FileName), content, TestContext.Current.CancellationToken);
        Assert.Null(FolderMark.Read(harness.Home));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Workspace_WithoutFiles_IsCloned_AlsoAfterACloneThatBrokeOff(bool withStore)
    {
        await using var host = await GitHost.StartAsync();
        var commits = await host.RepositoryAsync("r.git");
        var setup = new Setup
        {
            Agent = "command", Session = "sess_1", Workspace = withStore ? new WorkspaceSetup() : null,
            Git = new GitSetup { Url = host.Http("r.git"), Ref = "main", Depth = 1, User = GitHost.User, Secret = "wrong" },
        };
        await using var harness = new DriverHarness(setup);
        Directory.CreateDirectory(harness.Workspace);
        var opening = Opening(harness);
        opening.Begin(harness.Setup.Current, TestContext.Current.CancellationToken);
        var refusal = await opening.Ready;
        Assert.StartsWith("The workspace could not be cloned: ", refusal, StringComparison.Ordinal);
        Assert.DoesNotContain("wrong", refusal!, StringComparison.Ordinal);
        Assert.Equal("auth", harness.Of("workspace.clone_failed").Single().GetProperty("cause").GetString());
        Assert.Empty(Directory.EnumerateFileSystemEntries(harness.Workspace));
        if (!withStore)
            return; // only a workspace that is marked is told apart from one that an agent has emptied

        setup.Git.Secret = GitHost.Secret;
        harness.Setup.Set(setup);
        opening.BeginAgain();
        Assert.Null(await opening.Ready);
        Assert.Equal("version 3\n", await File.ReadAllTextAsync(Path.Combine(harness.Workspace, "src", "file"), TestContext.Current.CancellationToken));
        Assert.Equal(commits[^1], harness.Of("workspace.cloned").Single().GetProperty("commit").GetString());
        Assert.Equal("new", harness.Of("workspace.ready").Single().GetProperty("source").GetString());
    }

    [Fact]
    public async Task Workspace_WithFilesOfItsOwn_IsNotClonedInto()
    {
        var setup = new Setup { Agent = "command", Session = "sess_1", Workspace = new WorkspaceSetup(), Git = new GitSetup { Url = "https://127.0.0.1:1/r.git", Depth = 1 } };
        await using var harness = new DriverHarness(setup);
        Directory.CreateDirectory(harness.Workspace);
        await File.WriteAllTextAsync(Path.Combine(harness.Workspace, "a.txt"), "a", TestContext.Current.CancellationToken);
        var opening = Opening(harness);
        opening.Begin(harness.Setup.Current, TestContext.Current.CancellationToken);
        Assert.Null(await opening.Ready);
        Assert.Equal("kept", harness.Of("workspace.ready").Single().GetProperty("source").GetString());
    }

    private static FolderOpening Opening(DriverHarness harness) => new(
        harness.Services.Config, harness.Setup, harness.Sink, [], new DirectTransfers(TimeProvider.System, harness.Log),
        new WorkspaceSeed(harness.Services.Config, new Dictionary<string, string> { ["PATH"] = Environment.GetEnvironmentVariable("PATH")! }, harness.Sink, TimeProvider.System),
        TimeProvider.System, harness.Log);
}

using Marionette.Agent.Tests.Support;
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

    private static FolderOpening Opening(DriverHarness harness) =>
        new(harness.Services.Config, harness.Setup, harness.Sink, [], new DirectTransfers(TimeProvider.System, harness.Log), TimeProvider.System, harness.Log);
}

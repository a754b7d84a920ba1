using Marionette.Agent.Runs;

namespace Marionette.Agent.Tests.Runs;

public sealed class WorkspaceLookTests : IDisposable
{
    private readonly string workspace = Directory.CreateTempSubdirectory("marionette-look-").FullName;

    [Fact]
    public void AddedModifiedAndDeleted_AreTold_AndWhatToolsKeepIsNot()
    {
        Write("kept.txt", "1");
        Write("sub/changed.txt", "1");
        Write("sub/gone.txt", "1");
        var before = Look();
        Write("sub/changed.txt", "12");
        Write("sub/deeper/new.txt", "1");
        Write(".git/index", "1");
        Write("web/node_modules/x/y.js", "1");
        File.CreateSymbolicLink(Path.Combine(workspace, "loop"), workspace);
        File.Delete(Path.Combine(workspace, "sub/gone.txt"));
        var changes = before.ChangesUntil(Look());
        Assert.False(changes.Truncated);
        Assert.Equal(
            [new("loop", "added"), new("sub/changed.txt", "modified"), new("sub/deeper/new.txt", "added"), new("sub/gone.txt", "deleted")],
            changes.Files);
    }

    [Fact]
    public void SameSize_AnotherTime_IsModified()
    {
        Write("file", "1");
        var before = Look();
        File.SetLastWriteTimeUtc(Path.Combine(workspace, "file"), new DateTime(2001, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        Assert.Equal([new("file", "modified")], before.ChangesUntil(Look()).Files);
    }

    [Fact]
    public void TooManyChanges_AreCut()
    {
        var before = Look();
        for (var i = 0; i < WorkspaceLook.MaxChanges + 5; i++)
            Write($"file{i:D4}", "");
        var changes = before.ChangesUntil(Look());
        Assert.True(changes.Truncated);
        Assert.Equal(WorkspaceLook.MaxChanges, changes.Files.Count);
    }

    [Fact]
    public void TooLargeAWorkspace_IsNotLookedThrough()
    {
        for (var i = 0; i < 20; i++)
            Write($"file{i}", "");
        var before = WorkspaceLook.Take(workspace, TimeProvider.System, most: 10, TimeSpan.FromMinutes(1));
        Assert.False(before.IsComplete);
        Assert.Equal((0, true), (before.ChangesUntil(Look()).Files.Count, before.ChangesUntil(Look()).Truncated));
    }

    [Fact]
    public void MissingWorkspace_IsAnEmptyOne()
    {
        var before = WorkspaceLook.Take(Path.Combine(workspace, "later"), TimeProvider.System);
        Write("later/file", "1");
        Assert.Equal([new("file", "added")], before.ChangesUntil(WorkspaceLook.Take(Path.Combine(workspace, "later"), TimeProvider.System)).Files);
    }

    public void Dispose() => Directory.Delete(workspace, recursive: true);

    private WorkspaceLook Look() => WorkspaceLook.Take(workspace, TimeProvider.System, 100_000, TimeSpan.FromMinutes(1));

    private void Write(string path, string text)
    {
        var file = Path.Combine(workspace, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }
}

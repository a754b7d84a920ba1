using Marionette.Agent.Tests.Support;

namespace Marionette.Adapters.Tests.Kit;

/// <content>Edits, and the modes that decide on them.</content>
public abstract partial class Behaviours
{
    private const string Write = "@scenario write file=made.txt text=\"one\\ntwo\"";

    [Fact]
    public async Task Edit_AsksWithItsFile_AndIsMadeWhenAllowed()
    {
        if (!Adapter.Has(Promises.Permissions))
            return;
        var world = await SharedAsync();
        var run = world.Start(Write);
        var ask = await world.HearAsync(run, "permission.request");
        Assert.Equal("edit", ask.GetProperty("category").GetString());
        Assert.Contains(ask.GetProperty("paths").EnumerateArray(), path => path.GetString() == Path.Combine(world.Workspace, "made.txt"));
        if (Adapter.Name != "claude")
            Assert.Contains("\n+one\n+two\n", ask.GetProperty("diff").GetString(), StringComparison.Ordinal);
        world.Gateway.Send(Commands.Allow(ask.GetProperty("request_id").GetString()!));
        Assert.Equal("completed", Outcome(await world.EndAsync(run)));
        if (!Adapter.RunsProgram)
        {
            Assert.False(world.Has("made.txt"));
            return;
        }

        Assert.Equal("one\ntwo", (await File.ReadAllTextAsync(Path.Combine(world.Workspace, "made.txt"))).TrimEnd('\n'));
    }

    [Fact]
    public async Task AcceptEdits_TakesTheEdit_AndAsksForTheCommand()
    {
        if (!Adapter.Has(Promises.Permissions | Promises.Modes))
            return;
        await using var world = await AdapterWorld.StartAsync(Adapter, setup => setup.PermissionMode = "acceptEdits");
        var run = world.Start(Write + "\n@scenario shell cmd=\"curl --version\"");
        var ask = await world.HearAsync(run, "permission.request");
        Assert.Equal("command", ask.GetProperty("category").GetString());
        Assert.True(world.Has("made.txt"));
        world.Gateway.Send(Commands.Allow(ask.GetProperty("request_id").GetString()!));
        Assert.Equal("completed", Outcome(await world.EndAsync(run)));
        Assert.Single(world.Of(run, "permission.request"));
    }
}

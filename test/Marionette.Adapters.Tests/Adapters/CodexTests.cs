using Marionette.Adapters.Tests.Kit;
using Marionette.Agent.Tests.Support;

namespace Marionette.Adapters.Tests.Adapters;

public sealed class CodexTests(SharedWorld shared) : Behaviours(shared)
{
    private protected override Adapter Adapter { get; } = new CodexAdapter();

    [Theory]
    [InlineData("code=503 times=always", "overloaded")]
    [InlineData("code=429 times=always", "rate_limited")]
    [InlineData("code=400 times=always", "context_exceeded")]
    [InlineData("code=404 times=always", "model_error")]
    public async Task ModelError_AfterItsOwnRetries_HasItsCode(string status, string code)
    {
        var world = await SharedAsync();
        var end = await world.RunAsync("@scenario status " + status);
        Assert.Equal("failed", end.GetProperty("outcome").GetString());
        Assert.Equal(code, end.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task UsageLimit_TellsWhenItEnds()
    {
        await using var world = await AdapterWorld.StartAsync(Adapter);
        var before = DateTimeOffset.UtcNow;
        var end = await world.RunAsync("@scenario status code=429 type=usage_limit_reached resets_in=600 retry_after=600 times=always");
        Assert.Equal("usage_limit", end.GetProperty("error").GetProperty("code").GetString());
        Assert.InRange(end.GetProperty("retry_at").GetDateTimeOffset(), before.AddSeconds(540), before.AddSeconds(720));
    }

    [Fact]
    public async Task Configure_HoldsFromTheNextTurn()
    {
        await using var world = await AdapterWorld.StartAsync(Adapter);
        await world.RunAsync("@scenario say text=one");
        world.Gateway.Send(Commands.Configure("another-model", "bypassPermissions"));
        await world.Gateway.WaitForAsync(e => e.Type == "configure.applied", "the change");
        await world.RunAsync("@scenario shell cmd=\"touch made.txt\"");
        Assert.True(world.Has("made.txt"));
        Assert.Empty(world.Of("trun_2", "permission.request"));
    }

    [Fact]
    public async Task OutputSchema_GivesStructuredOutput()
    {
        var world = await SharedAsync();
        var end = await world.RunAsync("@scenario say text='{\"n\":1}'", run => run.OutputSchema = Google.Protobuf.ByteString.CopyFromUtf8(
            """{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false}"""));
        Assert.Equal(1, end.GetProperty("structured_output").GetProperty("n").GetInt32());
    }
}

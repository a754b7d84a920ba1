using System.Text.Json;
using Marionette.Agent.Agents.Acp;

namespace Marionette.Agent.Tests.Acp;

public sealed class AcpSessionTests
{
    [Theory]
    [InlineData("acceptEdits", "acceptEdits")]
    [InlineData("plan", "plan")]
    [InlineData("bypassPermissions", "yolo")]
    public void Mode_IsChosenByMeaning(string ours, string theirs)
    {
        var session = Read("""{"modes":{"currentModeId":"default","availableModes":[{"id":"default"},{"id":"acceptEdits"},{"id":"plan"},{"id":"yolo"}]}}""");
        var choice = Assert.Single(session.Choose("", ours, out var missing));
        Assert.Null(missing);
        Assert.Equal("session/set_mode", choice.Method);
        Assert.Equal([("modeId", theirs)], choice.Parameters);
        choice.Done();
        Assert.Empty(session.Choose("", ours, out _));
        Assert.Equal([("modeId", "default")], Assert.Single(session.Choose("", "default", out _)).Parameters);
    }

    [Fact]
    public void Mode_ThatTheAgentDoesNotHave_IsNotAskedFor()
    {
        var session = Read("""{"modes":{"currentModeId":"build","availableModes":[{"id":"build"}]}}""");
        Assert.False(session.HasMode("plan"));
        Assert.Empty(session.Choose("", "plan", out _));
        Assert.Empty(Read("{}").Choose("", "bypassPermissions", out _));
    }

    [Fact]
    public void Option_OfTheCategory_IsSetAsAnOption()
    {
        var session = Read("""
            {"configOptions":[
              {"id":"m","category":"mode","type":"select","currentValue":"ask","options":[{"value":"ask"},{"value":"plan"}]},
              {"id":"brain","category":"model","type":"select","currentValue":"small","options":[{"group":"g","options":[{"value":"small"},{"value":"vendor/big"}]}]}]}
            """);
        var calls = session.Choose("big", "plan", out var missing);
        Assert.Null(missing);
        Assert.All(calls, call => Assert.Equal("session/set_config_option", call.Method));
        Assert.Equal([("configId", "brain"), ("value", "vendor/big")], calls[0].Parameters);
        Assert.Equal([("configId", "m"), ("value", "plan")], calls[1].Parameters);
    }

    [Fact]
    public void Model_ThatIsNotOffered_IsRefusedInWords()
    {
        var session = Read("""{"models":{"currentModelId":"a","availableModels":[{"modelId":"a"},{"modelId":"b"}]}}""");
        Assert.Empty(session.Choose("c", "", out var missing));
        Assert.Equal("The agent does not offer the model c.", missing);
        Assert.Equal("session/set_model", Assert.Single(session.Choose("b", "", out missing)).Method);
        Assert.Null(missing);
        Assert.Empty(session.Choose("a", "", out _));
    }

    private static AcpSession Read(string answer) => AcpSession.Read("s", JsonDocument.Parse(answer).RootElement);
}

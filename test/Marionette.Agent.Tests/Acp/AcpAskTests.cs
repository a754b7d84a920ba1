using System.Text.Json;
using Marionette.Agent.Agents.Acp;

namespace Marionette.Agent.Tests.Acp;

public sealed class AcpAskTests
{
    private const string Options = """
        [{"optionId":"x1","kind":"reject_always"},{"optionId":"x2","kind":"allow_always"},{"optionId":"x3","kind":"allow_once"},{"optionId":"x4","kind":"reject_once"}]
        """;

    [Theory]
    [InlineData(Options, true, "x3")]
    [InlineData(Options, false, "x4")]
    [InlineData("""[{"optionId":"always","kind":"allow_always"}]""", true, "always")]
    [InlineData("""[{"optionId":"always","kind":"allow_always"}]""", false, null)]
    [InlineData("[]", true, null)]
    [InlineData("null", false, null)]
    public void Answer_IsTheOptionOfItsKind(string options, bool allow, string? option) =>
        Assert.Equal(option, AcpAsk.Choose(JsonDocument.Parse(options).RootElement, allow));

    [Theory]
    [InlineData("execute", "command")]
    [InlineData("read", "read")]
    [InlineData("search", "read")]
    [InlineData("edit", "edit")]
    [InlineData("move", "edit")]
    [InlineData("delete", "delete")]
    [InlineData("fetch", "network")]
    [InlineData("switch_mode", "plan")]
    [InlineData("think", "other")]
    [InlineData("of another version", "other")]
    public void Category_FollowsTheKind(string kind, string category) =>
        Assert.Equal(category, AcpAsk.Of(Call($$"""{"toolCallId":"1","title":"t","kind":"{{kind}}"}""")).Category);

    [Fact]
    public void Question_IsPutTogetherFromTheCallAndItself()
    {
        var call = Call("""{"toolCallId":"1","title":"bash","kind":"execute","status":"pending"}""");
        call.Merge(Parse("""{"toolCallId":"1","title":"Lists the files","rawInput":{"command":"ls","url":"https://example.org/x"},"locations":[{"path":"/w/a"}]}"""));
        call.Merge(Parse("""{"toolCallId":"1","content":[{"type":"diff","path":"/w/b","oldText":null,"newText":"n\n"}]}"""));
        var ask = AcpAsk.Of(call);
        Assert.Equal(("bash", "ls", "Lists the files"), (ask.Tool, ask.Command, ask.Title));
        Assert.Equal(["/w/a"], ask.Paths);
        Assert.Equal(["example.org"], ask.Hosts);
        Assert.Equal("--- /dev/null\n+++ /w/b\n@@ -0,0 +1,1 @@\n+n\n", ask.Diff);
        Assert.False(ask.TakesInput);
    }

    [Theory]
    [InlineData("""{"content":[{"type":"content","content":{"type":"text","text":"```console\nout\n```"}}]}""", "out")]
    [InlineData("""{"content":[{"type":"content","content":{"type":"text","text":"a"}},{"type":"terminal","terminalId":"t"}]}""", "a\nfrom t")]
    [InlineData("""{"rawOutput":{"output":"raw"}}""", "raw")]
    [InlineData("""{"rawOutput":[1]}""", "[1]")]
    [InlineData("{}", "")]
    public void Output_IsFoundWhereverItIs(string update, string output)
    {
        var call = Call("""{"toolCallId":"1","title":"t"}""");
        call.Merge(Parse(update));
        Assert.Equal(output, call.Output(name => "from " + name));
    }

    private static AcpCall Call(string said)
    {
        var call = new AcpCall("1");
        call.Merge(Parse(said));
        return call;
    }

    private static JsonElement Parse(string json) => JsonDocument.Parse(json).RootElement;
}

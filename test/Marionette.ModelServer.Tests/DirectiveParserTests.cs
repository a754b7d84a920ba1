using Marionette.ModelServer.Http;
using Marionette.ModelServer.Scenarios;

namespace Marionette.ModelServer.Tests;

public sealed class DirectiveParserTests
{
    [Theory]
    [InlineData("@scenario say text=hi", "hi")]
    [InlineData("  @scenario   say \t text=hi  ", "hi")]
    [InlineData("Please greet me.\n@scenario say text=hi\nThank you.", "hi")]
    [InlineData("@scenario say text=hi\r\n", "hi")]
    [InlineData("@scenario say text=\"Hello, world = ok\"", "Hello, world = ok")]
    [InlineData("@scenario say text=\"a\\nb\\t\\\"c\\\\ \\u00e9\"", "a\nb\t\"c\\ é")]
    [InlineData("@scenario say text='raw \\n \"x\"'", "raw \\n \"x\"")]
    [InlineData("@scenario say text=\"\"", "")]
    [InlineData("@scenario say text=", "")]
    [InlineData("@scenario say text=it's", "it's")]
    public void Parse_WellFormedLine_GivesTheValue(string prompt, string expected)
    {
        var directive = Assert.Single(DirectiveParser.Parse(prompt));

        Assert.Equal("say", directive.Name);
        Assert.Equal(expected, directive.Required("text"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("Tell me about @scenario say text=hi")]
    [InlineData("@scenarios say text=hi")]
    [InlineData("scenario say text=hi")]
    public void Parse_NoDirectiveLine_GivesNone(string prompt) => Assert.Empty(DirectiveParser.Parse(prompt));

    [Theory]
    [InlineData("@scenario", "a name is expected")]
    [InlineData("@scenario nonsense", "no such scenario")]
    [InlineData("@scenario say colour=red", "takes no colour=")]
    [InlineData("@scenario say text=a text=b", "stands twice")]
    [InlineData("@scenario say hello", "key=value is expected")]
    [InlineData("@scenario say hello text=a", "key=value is expected")]
    [InlineData("@scenario say =a", "key=value is expected")]
    [InlineData("@scenario say text=\"open", "not closed")]
    [InlineData("@scenario say text=\"open\\", "not closed")]
    [InlineData("@scenario say text=\"bad \\x\"", "unknown escape")]
    [InlineData("@scenario say text=\"\\u12\"", "unknown escape")]
    [InlineData("@scenario say text=\"a\"b", "a space is expected")]
    public void Parse_MalformedLine_NamesTheProblem(string prompt, string problem)
    {
        var refused = Assert.Throws<ApiException>(() => DirectiveParser.Parse(prompt));

        Assert.Equal(400, refused.Status);
        Assert.Contains(problem, refused.Message);
    }

    [Fact]
    public void Parse_SeveralLines_KeepsTheirOrder()
    {
        var names = DirectiveParser.Parse("@scenario think\nand\n@scenario unicode\n@scenario think").Select(d => d.Name);

        Assert.Equal(["think", "unicode", "think"], names);
    }

    [Theory]
    [InlineData("@scenario multi n=0")]
    [InlineData("@scenario multi n=-1")]
    [InlineData("@scenario multi n=two")]
    [InlineData("@scenario slow delay_ms=99999999")]
    [InlineData("@scenario status code=418")]
    [InlineData("@scenario status times=often")]
    [InlineData("@scenario shell")]
    [InlineData("@scenario tool name=Read input={")]
    [InlineData("@scenario tool name=Read input=[]")]
    [InlineData("@scenario ask options=one")]
    public void Script_ArgumentOutOfRange_IsInvalid(string prompt)
    {
        var conversation = Requests.Read(Requests.User(prompt));

        Assert.Equal(400, Assert.Throws<ApiException>(() => Script.At(conversation)).Status);
    }
}

using Marionette.ModelServer.Scenarios;
using static Marionette.ModelServer.Tests.Requests;

namespace Marionette.ModelServer.Tests;

public sealed class ScriptTests
{
    [Theory]
    [InlineData("hello", 0, "none", "end_turn", "Text")]
    [InlineData("@scenario say text=hi", 0, "say", "end_turn", "Text")]
    [InlineData("@scenario say text=hi stop=max_tokens", 0, "say", "max_tokens", "Text")]
    [InlineData("@scenario say text=hi", 1, "say", "end_turn", "Text")]
    [InlineData("@scenario think", 0, "think", "end_turn", "Thinking Text")]
    [InlineData("@scenario shell cmd=ls", 0, "shell", "tool_use", "Tool")]
    [InlineData("@scenario shell cmd=ls", 1, "shell", "end_turn", "Text")]
    [InlineData("@scenario write file=/a text=b", 0, "write", "tool_use", "Tool")]
    [InlineData("@scenario multi n=2", 1, "multi", "tool_use", "Tool")]
    [InlineData("@scenario multi n=2", 2, "multi", "end_turn", "Text")]
    [InlineData("@scenario multi n=2", 3, "multi", "end_turn", "Text")]
    [InlineData("@scenario parallel n=3", 0, "parallel", "tool_use", "Tool Tool Tool")]
    [InlineData("@scenario loop n=2", 1, "loop", "tool_use", "Text Tool")]
    [InlineData("@scenario ask", 0, "ask", "tool_use", "Tool")]
    [InlineData("@scenario status code=429", 0, "status", "end_turn", "Refusal Text")]
    [InlineData("@scenario drop", 0, "drop", "end_turn", "Break Text")]
    [InlineData("@scenario silence seconds=5", 0, "silence", "end_turn", "Silence Text")]
    [InlineData("@scenario think\n@scenario shell cmd=ls\n@scenario say text=x", 0, "think", "tool_use", "Thinking Text Tool")]
    [InlineData("@scenario think\n@scenario shell cmd=ls\n@scenario say text=x", 1, "shell", "end_turn", "Text Text")]
    [InlineData("@scenario tool name=Unknown", 0, "tool", "end_turn", "Text")]
    public void At_Step_GivesTheAnswer(string prompt, int step, string scenario, string stop, string beats)
    {
        var answer = Script.At(Read(User(prompt)) with { Step = step });

        Assert.Equal(scenario, answer.Scenario);
        Assert.Equal(stop, answer.StopReason);
        Assert.Equal(beats, string.Join(' ', answer.Beats.Select(b => b.GetType().Name[..^"Beat".Length])));
    }

    [Fact]
    public void At_AfterACut_GoesOnBehindWhatArrived()
    {
        var conversation = Read(User("@scenario think\n@scenario drop")) with { Continues = true };

        Assert.Collection(Script.At(conversation).Beats, b => Assert.IsType<BreakBeat>(b), b => Assert.IsType<TextBeat>(b));
    }

    [Fact]
    public void Write_RelativeFile_IsPutUnderTheAgentsDirectory()
    {
        var call = Call(Read(User("@scenario write file=sub/a.txt text=\"x\\ny\""), Environment("/home/me/my project")));

        Assert.Equal("Write", call.Tool);
        Assert.Equal("/home/me/my project/sub/a.txt", (string?)call.Input["file_path"]);
        Assert.Equal("x\ny", (string?)call.Input["content"]);
    }

    [Fact]
    public void Multi_Template_CarriesTheStepNumber()
    {
        var conversation = Read(User("@scenario multi n=3 cmd=\"touch f{i}\"")) with { Step = 1 };

        Assert.Equal("touch f2", (string?)Call(conversation).Input["command"]);
    }

    [Theory]
    [InlineData(false, "The tool answered: 42 files")]
    [InlineData(true, "The tool failed: 42 files")]
    public void Shell_Result_IsQuoted(bool failed, string expected)
    {
        var answer = Script.At(Read(User("@scenario shell cmd=ls"), Assistant("a"), User(Result("42 files", failed))));

        Assert.Equal(expected, string.Concat(Assert.IsType<TextBeat>(Assert.Single(answer.Beats)).Pieces));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(63, 64)]
    [InlineData(64, 7)]
    [InlineData(1000, 100)]
    [InlineData(100_000, 8192)]
    public void Lines_AnySize_GivesExactlyTheBytesAsked(int bytes, int size)
    {
        var pieces = Samples.Lines(bytes, size).ToList();
        var whole = string.Concat(pieces);

        Assert.Equal(bytes, whole.Length);
        Assert.All(pieces.SkipLast(1), p => Assert.Equal(size, p.Length));
        Assert.All(whole.Split('\n').Where(l => l.Length == 63).Index(), l => Assert.StartsWith($"{l.Index:D10} x", l.Item));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Split_AnyLength_NeverTearsACharacter(int length)
    {
        var pieces = Samples.Split(Samples.Unicode, length).ToList();

        Assert.Equal(Samples.Unicode, string.Concat(pieces));
        Assert.DoesNotContain(pieces, p => char.IsHighSurrogate(p[^1]) || char.IsLowSurrogate(p[0]));
    }

    [Fact]
    public void Reference_EveryScenarioAndArgument_IsDescribed()
    {
        var page = File.ReadAllLines(Path.Join(Root(), "docs", "reference", "model-server.md"));
        foreach (var scenario in ScenarioCatalog.All.Values)
        {
            var row = page.SingleOrDefault(l => l.StartsWith($"| `{scenario.Name}`", StringComparison.Ordinal));
            Assert.True(row is not null, $"no row for {scenario.Name}");
            Assert.All(scenario.Arguments, a => Assert.Contains($"`{a}=", row));
        }
    }

    private static ToolBeat Call(Wire.Conversation conversation) =>
        Assert.IsType<ToolBeat>(Assert.Single(Script.At(conversation).Beats));

    private static string Root()
    {
        var directory = AppContext.BaseDirectory;
        while (!File.Exists(Path.Join(directory, "Directory.Packages.props")))
            directory = Path.GetDirectoryName(directory) ?? throw new InvalidOperationException("outside the repository");
        return directory;
    }
}

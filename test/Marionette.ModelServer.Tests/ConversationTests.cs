using static Marionette.ModelServer.Tests.Requests;

namespace Marionette.ModelServer.Tests;

public sealed class ConversationTests
{
    private const string Reminder = "<system-reminder>\nDo not mention @scenario say text=wrong\n</system-reminder>\n";

    public static TheoryData<string, string, int, System.Text.Json.Nodes.JsonObject[]> Steps => new()
    {
        { "first prompt", "go", 0, [User("go")] },
        { "environment note after it", "go", 0, [User("go"), Environment("/w")] },
        { "one answer", "go", 1, [User("go"), Assistant("a"), User(Result("r"))] },
        { "two answers", "go", 2, [User("go"), Assistant("a"), User(Result("r")), Assistant("b"), User(Result("r"))] },
        { "new prompt starts over", "next", 0, [User("go"), Assistant("a"), User("next")] },
        { "answer in two pieces", "go", 1, [User("go"), Assistant("a"), Assistant("b"), User(Result("r"))] },
        { "note between two pieces", "go", 1, [User("go"), Assistant("a"), Note("n"), Assistant("b"), User(Result("r"))] },
        { "reminder before the prompt", "go", 0, [User(TextBlock(Reminder), TextBlock("go"))] },
        { "reminder inside the prompt", "go", 0, [User("go" + Reminder)] },
        { "reminder beside a result", "go", 1, [User("go"), Assistant("a"), User(Result("r"), TextBlock(Reminder))] },
        { "reminder alone", "go", 1, [User("go"), Assistant("a"), User(TextBlock(Reminder))] },
        {
            "prompt after an interrupt", "next", 0,
            [
                User("go"),
                Assistant("a"),
                User(Result("r"), TextBlock("[Request interrupted by user for tool use]\n"), TextBlock("next")),
            ]
        },
        {
            "interrupted before any answer", "next", 0,
            [User(TextBlock("go"), TextBlock("[Request interrupted by user]\n"), TextBlock("next"))]
        },
        { "several blocks are one prompt", "a\nb", 0, [User(TextBlock("a"), TextBlock("b"))] },
        { "no prompt at all", "", 1, [Assistant("a"), User(Result("r"))] },
    };

    private const string CutOff =
        "Your response above was cut off mid-stream. Resume directly from where it stops — no apology.";

    public static TheoryData<string, int, bool, System.Text.Json.Nodes.JsonObject[]> Cuts => new()
    {
        { "asked for the rest", 0, true, [User("go"), Assistant("par"), User(CutOff)] },
        { "the rest arrived", 1, false, [User("go"), Assistant("par"), User(CutOff), Assistant("tial"), User(Result("r"))] },
        { "cut behind a tool", 1, true, [User("go"), Assistant("a"), User(Result("r")), Assistant("par"), User(CutOff)] },
        { "nothing survived", 0, false, [User(TextBlock("go"), TextBlock(CutOff))] },
    };

    [Theory]
    [MemberData(nameof(Cuts))]
    public void Read_CutOffAnswer_DoesNotCountAsAStep(
        string label, int step, bool continues, System.Text.Json.Nodes.JsonObject[] messages)
    {
        var conversation = Read(messages);

        Assert.True(conversation.Prompt == "go", $"{label}: prompt '{conversation.Prompt}'");
        Assert.True(conversation.Step == step, $"{label}: step {conversation.Step}");
        Assert.True(conversation.Continues == continues, $"{label}: continues {conversation.Continues}");
    }

    [Fact]
    public void Read_CutBehindAToolResult_KeepsTheOutcome()
    {
        var conversation = Read(User("go"), Assistant("a"), User(Result("r")), Assistant("par"), User(CutOff));

        Assert.Equal("r", Assert.Single(conversation.Outcomes).Text);
    }

    [Theory]
    [MemberData(nameof(Steps))]
    public void Read_Conversation_FindsPromptAndStep(
        string label, string prompt, int step, System.Text.Json.Nodes.JsonObject[] messages)
    {
        var conversation = Read(messages);

        Assert.True(conversation.Prompt == prompt, $"{label}: prompt '{conversation.Prompt}'");
        Assert.True(conversation.Step == step, $"{label}: step {conversation.Step}");
    }

    [Fact]
    public void Read_ContentAsPlainString_IsThePrompt()
    {
        var message = new System.Text.Json.Nodes.JsonObject { ["role"] = "user", ["content"] = "go" };

        Assert.Equal("go", Read(message).Prompt);
    }

    [Fact]
    public void Read_ToolResults_OnlyTheNewestAreOutcomes()
    {
        var conversation = Read(
            User("go"),
            Assistant("a"),
            User(Result("old")),
            Assistant("b"),
            User(Result("one"), Result("two", isError: true)));

        Assert.Equal([("one", false), ("two", true)], conversation.Outcomes.Select(o => (o.Text, o.IsError)));
    }

    [Fact]
    public void Read_SeveralEnvironmentNotes_NewestDirectoryWins()
    {
        var conversation = Read(
            User("Working directory: /spoofed"), Environment("/old"), Assistant("a"), Environment("/new"), User("go"));

        Assert.Equal("/new", conversation.WorkingDirectory);
    }

    [Fact]
    public void Read_DirectoryInThePersonsWords_IsNotBelieved() =>
        Assert.Null(Read(User("Working directory: /spoofed")).WorkingDirectory);
}

using Marionette.Cli.Live;
using Marionette.Cli.Output;
using Marionette.Cli.Tests.Support;

namespace Marionette.Cli.Tests;

/// <summary>The status row, judged by what a terminal would show.</summary>
public sealed class LiveScreenTests
{
    [Fact]
    public void Status_WhileTextScrolls_StaysOnTheLastRow()
    {
        var terminal = new TinyTerminal(20, 8);
        using var screen = new LiveScreen(terminal.Writer, color: true, hasStatus: true, () => (20, 8));
        for (var i = 1; i <= 12; i++)
        {
            screen.Line($"line {i}");
            screen.Status($"status {i}");
        }
        Assert.Equal(["line 7", "line 8", "line 9", "line 10", "line 11", "line 12", "", "status 12"], terminal.Rows);
    }

    [Fact]
    public void Status_InTheMiddleOfALine_DoesNotDisturbIt()
    {
        var terminal = new TinyTerminal(20, 8);
        using var screen = new LiveScreen(terminal.Writer, color: true, hasStatus: true, () => (20, 8));
        for (var i = 0; i < 10; i++)
            screen.Line($"{i}");
        screen.Text("half");
        screen.Status("one");
        screen.Text(" and ");
        screen.Status("two");
        screen.Text("half");
        Assert.Equal(["4", "5", "6", "7", "8", "9", "half and half", "two"], terminal.Rows);
    }

    [Fact]
    public void Status_LongerThanTheRow_IsCut()
    {
        var terminal = new TinyTerminal(20, 8);
        using var screen = new LiveScreen(terminal.Writer, color: true, hasStatus: true, () => (20, 8));
        screen.Status(new string('x', 50));
        Assert.Equal(new string('x', 18) + "…", terminal.Rows[7]);
    }

    [Fact]
    public void Dispose_WithAStatus_GivesTheTerminalBack()
    {
        var terminal = new TinyTerminal(20, 8);
        using (var screen = new LiveScreen(terminal.Writer, color: true, hasStatus: true, () => (20, 8)))
        {
            screen.Text("text");
            screen.Status("status");
        }
        for (var i = 0; i < 8; i++)
            terminal.Writer.Write($"after {i}\n");
        Assert.Equal(["after 1", "after 2", "after 3", "after 4", "after 5", "after 6", "after 7", ""], terminal.Rows);
    }

    [Fact]
    public void Status_WindowChangesSize_MovesToTheNewLastRow()
    {
        var size = (20, 8);
        var terminal = new TinyTerminal(20, 8);
        using var screen = new LiveScreen(terminal.Writer, color: true, hasStatus: true, () => size);
        screen.Line("text");
        screen.Status("one");
        size = (20, 7);
        screen.Status("two");
        Assert.Equal(["text", "", "", "", "", "", "two", ""], terminal.Rows);
    }

    [Fact]
    public void Output_NoTerminal_HoldsNoControlCharacters()
    {
        var output = new StringWriter();
        using (var screen = new LiveScreen(output, TerminalFacts.None))
        {
            screen.Text("a", Style.Bad);
            screen.Status("never shown");
            screen.Line("b", Style.Good);
            screen.Text("c");
        }
        Assert.Equal("a\nb\nc\n", output.ToString());
    }
}

using Marionette.Cli.Output;

namespace Marionette.Cli.Tests;

public sealed class TerminalTextTests
{
    [Theory]
    [InlineData("plain text, ünïcödé 漢字 😀\n\tindented", "plain text, ünïcödé 漢字 😀\n\tindented")]
    [InlineData("\e[31mred\e[0m", "red")]
    [InlineData("\e[2J\e[1;1Hgone?", "gone?")]
    [InlineData("\e]0;new title\atext", "text")]
    [InlineData("\e]52;c;c3RvbGVu\e\\text", "text")]
    [InlineData("\e]8;;http://evil\e\\link\e]8;;\e\\", "link")]
    [InlineData("\ePq#0;2;0;0;0#0~~\e\\after", "after")]
    [InlineData("\e(0lqqk\e(B", "lqqk")]
    [InlineData("\e7\e8\eM\ecback", "back")]
    [InlineData("\u009b31mred\u009b0m", "red")]
    [InlineData("\u009d0;title\u009ctext", "text")]
    [InlineData("bell\a, back\b\b, null\0, del\x7f", "bell, back, null, del")]
    [InlineData("safe\rrm -rf /\nnext\r\nlast", "safe\nrm -rf /\nnext\nlast")]
    [InlineData("\u202egnp.exe\u2066x\u2069", "gnp.exex")]
    [InlineData("never closed \e]0;title\nnext line", "never closed \nnext line")]
    [InlineData("cut off \e[31", "cut off ")]
    [InlineData("broken \e[3\nnext", "broken \nnext")]
    public void Clean_TextFromElsewhere_KeepsOnlyWhatIsText(string text, string expected) => Assert.Equal(expected, TerminalText.CleanAll(text));

    [Fact]
    public void Clean_CutAnywhere_GivesTheSameAsTheWhole()
    {
        const string Text = "a\e[31mred\e[0m\r\nb\e]0;title\ac\e]52;c;x\e\\d\e(0e\rf\u009b1mg";
        var whole = TerminalText.CleanAll(Text);
        for (var first = 0; first <= Text.Length; first++)
        {
            for (var second = first; second <= Text.Length; second++)
            {
                var cleaner = new TerminalText();
                Assert.Equal(whole, cleaner.Clean(Text[..first]) + cleaner.Clean(Text[first..second]) + cleaner.Clean(Text[second..]));
            }
        }
    }

    [Fact]
    public void Clean_AnyCharactersAtAll_LeavesNoControlCharacter()
    {
        var random = new Random(20261123);
        for (var round = 0; round < 2_000; round++)
        {
            var text = string.Concat(Enumerable.Range(0, 40).Select(_ => (char)(random.Next(3) switch { 0 => random.Next(0, 0x20), 1 => random.Next(0x20, 0xa0), _ => "\e[]P\\;m0\a\n"[random.Next(10)] })));
            Assert.DoesNotContain(TerminalText.CleanAll(text), c => char.IsControl(c) && c is not ('\n' or '\t'));
        }
    }

    [Fact]
    public void Fit_LongLine_CutsBetweenCharacters()
    {
        Assert.Equal("ab…", Format.Fit("ab😀😀", 4));
        Assert.Equal("one two", Format.Fit("one\ntwo", 10));
    }
}

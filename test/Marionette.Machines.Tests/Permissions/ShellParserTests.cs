using System.Collections.Immutable;
using Marionette.Permissions;

namespace Marionette.Machines.Tests.Permissions;

public sealed class ShellParserTests
{
    [Theory]
    [InlineData("ls -l", "ls -l")]
    [InlineData("git commit -m \"a b\" 'c d'", "git commit -m a b c d")]
    [InlineData("a && b || c; d | e & f", "a", "b", "c", "d", "e", "f")]
    [InlineData("a\nb", "a", "b")]
    [InlineData("a \\\n b", "a b")]
    [InlineData("echo 'a; rm x'", "echo a; rm x")]
    [InlineData("echo a\\;b", "echo a;b")]
    [InlineData("ls 2>/dev/null", "ls")]
    [InlineData("make 2>&1 | tail", "make", "tail")]
    [InlineData("ls # ; rm x", "ls")]
    [InlineData("a |& b", "a", "b")]
    [InlineData("echo '$HOME `x`'", "echo $HOME `x`")]
    public void Parse_PlainText_IsUnderstood(string text, params string[] commands)
    {
        var script = ShellParser.Parse(text);
        Assert.Null(script.NotUnderstood);
        Assert.Equal(commands, script.Commands.Select(c => c.Text));
        Assert.All(script.Commands, c => Assert.Null(c.Oddity));
    }

    [Theory]
    [InlineData("ls $(rm x)")]
    [InlineData("ls `rm x`")]
    [InlineData("ls \"$(rm x)\"")]
    [InlineData("ls \"`rm x`\"")]
    [InlineData("(rm x)")]
    [InlineData("{ rm x; }")]
    [InlineData("if true; then rm x; fi")]
    [InlineData("for i in a; do rm x; done")]
    [InlineData("f() { rm x; }; f")]
    [InlineData("cat <<EOF\nrm x\nEOF")]
    [InlineData("diff <(rm x) y")]
    [InlineData("! rm x")]
    [InlineData("ls; rm x; fi")]
    [InlineData("true && { rm x\n}")]
    [InlineData("while rm x; do :; done")]
    [InlineData("ls 'x\nrm x")]
    [InlineData("{rm,x}")]
    [InlineData("rm x \\")]
    [InlineData("rm x &&")]
    [InlineData("/bin/r? x")]
    [InlineData("echo $IFS")]
    [InlineData("rm x\0")]
    [InlineData("rm x\r")]
    public void Parse_WhateverNeedsAShell_IsNotUnderstood(string text) => Assert.NotNull(ShellParser.Parse(text).NotUnderstood);

    [Theory]
    [InlineData("ls > /etc/passwd")]
    [InlineData("ls >> x")]
    [InlineData("ls >| x")]
    [InlineData("ls &> x")]
    [InlineData("ls < x")]
    [InlineData("ls 3<> x")]
    [InlineData("ls >&x")]
    [InlineData("LD_PRELOAD=x ls")]
    [InlineData("PATH+=:x ls")]
    public void Parse_RedirectionOrVariable_IsAnOddity(string text) =>
        Assert.NotNull(Assert.Single(ShellParser.Parse(text).Commands, c => c.Words.Length > 0).Oddity);

    [Theory]
    [InlineData("rm x")]
    [InlineData("sudo -u bob rm x")]
    [InlineData("env A=1 nohup nice -n 5 /bin/rm x")]
    [InlineData("ls; rm x")]
    [InlineData("ls $(rm x)")]
    [InlineData("ls \"$(rm x)\"")]
    [InlineData("ls `rm x`")]
    [InlineData("(cd y && rm x)")]
    [InlineData("if true; then rm x; fi")]
    [InlineData("sh -c 'rm x'")]
    [InlineData("bash -lc \"cd y; rm x\"")]
    [InlineData("sudo sh -c \"sh -c 'rm x'\"")]
    [InlineData("eval rm x")]
    [InlineData("\\rm x")]
    [InlineData("r\"m\" x")]
    [InlineData("'rm' x")]
    [InlineData("A=1 rm x")]
    [InlineData("command rm x")]
    [InlineData("xargs -n1 rm x")]
    [InlineData("find . -exec rm x")]
    [InlineData("time rm x")]
    [InlineData("true & rm x")]
    [InlineData("yes | rm x")]
    [InlineData("rm x > /dev/null 2>&1")]
    [InlineData("cat <<EOF\nrm x\nEOF")]
    [InlineData("f() { rm x; }; f")]
    public void Mentions_FindTheCommandWhereverItHides(string text)
    {
        var pattern = CommandPattern.Parse("rm x");
        Assert.Contains(ShellParser.Parse(text).Commands.SelectMany(ShellMentions.Of), pattern.IsMatch);
    }

    [Theory]
    [InlineData("git *", "git", true)]
    [InlineData("git *", "git push origin", true)]
    [InlineData("git *", "gitk", false)]
    [InlineData("git push * --force", "git push origin x --force", true)]
    [InlineData("git push * --force", "git push --force", true)]
    [InlineData("npm run test:*", "npm run test:unit", true)]
    [InlineData("npm run test:*", "npm run test:unit x", false)]
    [InlineData("ls", "ls -l", false)]
    [InlineData("ls", "./ls", false)]
    [InlineData("", "ls", false)]
    [InlineData("echo \\*", "echo *", true)]
    [InlineData("echo \\*", "echo x", false)]
    public void Pattern_MatchesWordByWord(string pattern, string command, bool matches) =>
        Assert.Equal(matches, CommandPattern.Parse(pattern).IsMatch([.. command.Split(' ')]));

    [Fact]
    public void Pattern_WildcardNeverCoversAWayOut()
    {
        ImmutableArray<string> words = ["cat", "/workspace/../etc/passwd"];
        Assert.False(CommandPattern.Parse("cat *").Covers(words));
        Assert.True(CommandPattern.Parse(CommandPattern.Exactly(words)!).Covers(words));
    }

    [Fact]
    public void Pattern_OfACommand_MatchesItAlone()
    {
        var words = ShellParser.Parse("git commit -m 'a * b?' \"c\\\\d\"").Commands[0].Words;
        var pattern = CommandPattern.Parse(CommandPattern.Exactly(words)!);
        Assert.True(pattern.Covers(words));
        Assert.False(pattern.Covers(words.SetItem(3, "a x b?")));
        Assert.False(pattern.Covers(words.Add("--amend")));
    }

    [Fact]
    public void Parse_AnyNesting_EndsSoon()
    {
        var text = string.Concat(Enumerable.Repeat("sudo sh -c \"$(", 3000));
        var script = ShellParser.Parse(text);
        Assert.NotNull(script.NotUnderstood);
        Assert.True(script.Commands.SelectMany(ShellMentions.Of).Count() < 100_000);
    }
}

using Marionette.Cli.Configuration;
using Marionette.Cli.Tests.Support;

namespace Marionette.Cli.Tests;

public sealed class ConfigTests : IDisposable
{
    // As the original's mctl writes it.
    private const string Original = """
        current-context: production
        contexts:
            local:
                server: http://localhost:8080
                api-key: mk_local
            production:
                server: https://marionette.example.com
                api-key: mk_production
        """;

    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Parse_TheOriginalsFile_IsUnderstood()
    {
        var config = ConfigText.Parse(Original, "f");
        Assert.Equal("production", config.CurrentContext);
        Assert.Equal(new ServerContext("http://localhost:8080", "mk_local"), config.Contexts["local"]);
        Assert.Equal(new ServerContext("https://marionette.example.com", "mk_production"), config.Contexts["production"]);
        Assert.Equal(Original + "\n", ConfigText.Write(config));
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("with space")]
    [InlineData("colon: inside")]
    [InlineData("# no comment")]
    [InlineData("quote \" and ' and \\ back")]
    [InlineData("true")]
    [InlineData("123")]
    [InlineData("ünïcödé\ttab\nline")]
    [InlineData("ends:")]
    public void Write_AnyWord_ReadsBackTheSame(string word)
    {
        var config = new CliConfig { CurrentContext = word }.With(word, new ServerContext(word, word)).With("empty", new ServerContext(null, null));
        var back = ConfigText.Parse(ConfigText.Write(config), "f");
        Assert.Equal(word, back.CurrentContext);
        Assert.Equal(config.Contexts, back.Contexts);
    }

    [Theory]
    [InlineData("contexts:\n  a:\n   server: 'it''s' # why\n   api-key: \"\\u0041\"\n", "it's", "A")]
    [InlineData("# top\n---\ncontexts:\n\n  'a':\n    server:   x # c\r\n    api-key: y#z\n", "x", "y#z")]
    public void Parse_OtherWaysToWriteIt_AreUnderstood(string text, string server, string key) =>
        Assert.Equal(new ServerContext(server, key), ConfigText.Parse(text, "f").Contexts["a"]);

    [Theory]
    [InlineData("contexts:\n  a:\n    server: [x]\n", "f, line 3: only plain and quoted values are understood here")]
    [InlineData("contexts:\n  a: x\n", "f, line 2: context 'a' must be a map")]
    [InlineData("contexts:\n  a:\n    sever: x\n", "f, line 3: unknown setting 'sever' of context 'a'")]
    [InlineData("surprise: x\n", "f, line 1: unknown setting 'surprise'")]
    [InlineData("just words\n", "f, line 1: expected 'name: value'")]
    [InlineData("current-context: \"open\n", "f, line 1: a quote is not closed")]
    [InlineData("current-context: x\n  y: z\n", "f, line 2: this is indented under nothing")]
    public void Parse_WhatIsNotUnderstood_IsNamedWithItsLine(string text, string message) =>
        Assert.Equal(message, Assert.Throws<CliException>(() => ConfigText.Parse(text, "f")).Message);

    [Fact]
    public async Task Commands_SetUseViewDelete_ChangeTheFile()
    {
        var file = folder["deep/er/config.yaml"];
        var cli = new Support.Cli();
        Assert.Equal(0, (await cli.RunAsync("config", "set-context", "local", "--server", "http://a", "--api-key", "mk_verysecretkey", "--config", file)).Code);
        Assert.Equal(0, (await cli.RunAsync("config", "set-context", "other", "--server", "http://b", "--config", file)).Code);
        Assert.Equal(0, (await cli.RunAsync("config", "set-context", "local", "--server", "http://c", "--config", file)).Code);
        Assert.Equal(0, (await cli.RunAsync("config", "use-context", "local", "--config", file)).Code);
        Assert.Equal("* local                http://c\n  other                http://b\n", (await cli.RunAsync("config", "get-contexts", "--config", file)).Out);
        Assert.DoesNotContain("verysecret", (await cli.RunAsync("config", "view", "--config", file)).Out);
        Assert.Contains("api-key: mk_verysecretkey", (await cli.RunAsync("config", "view", "--raw", "--config", file)).Out);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(folder["deep/er"]));
        Assert.Equal(0, (await cli.RunAsync("config", "delete-context", "local", "--config", file)).Code);
        Assert.Equal("contexts:\n    other:\n        server: \"http://b\"\n".Replace("\"", ""), await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));
        Assert.Equal(ExitCode.Failure, (await cli.RunAsync("config", "use-context", "local", "--config", file)).Code);
    }
}

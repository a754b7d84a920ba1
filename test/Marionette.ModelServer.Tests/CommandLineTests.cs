namespace Marionette.ModelServer.Tests;

public sealed class CommandLineTests
{
    [Fact]
    public void Parse_AllFlags_AreTaken()
    {
        var options = CommandLine.Parse(["--port", "81", "--latency-ms", "20", "--log", "x.log", "--require-key", "k"]);

        Assert.Equal(
            (81, TimeSpan.FromMilliseconds(20), "x.log", "k"),
            (options.Port, options.Latency, options.LogFile, options.RequiredKey));
    }

    [Theory]
    [InlineData("--port")]
    [InlineData("--port", "70000")]
    [InlineData("--port", "-1")]
    [InlineData("--latency-ms", "soon")]
    [InlineData("--colour", "red")]
    public void Parse_WrongFlag_NamesIt(params string[] args)
    {
        Assert.StartsWith(args[0], Assert.Throws<FormatException>(() => CommandLine.Parse(args)).Message);
    }
}

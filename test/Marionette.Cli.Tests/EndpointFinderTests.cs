using Marionette.Cli.Api;
using Marionette.Cli.Configuration;
using Marionette.Cli.Local;
using Marionette.Cli.Tests.Support;

namespace Marionette.Cli.Tests;

/// <summary>Which server and key a command uses.</summary>
public sealed class EndpointFinderTests : IDisposable
{
    private readonly TempFolder folder = new();
    private readonly Support.Cli cli = new();

    public EndpointFinderTests()
    {
        cli.Variables["XDG_CONFIG_HOME"] = folder.Path;
        folder.Write("marionette/config.yaml", "current-context: one\ncontexts:\n  one:\n    server: http://one\n    api-key: mk_one\n  two:\n    server: http://two:1/\n    api-key: mk_two\n  bare:\n    api-key: mk_bare\n");
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Find_NothingSaid_IsTheCurrentContext() => Same("http://one/", "mk_one", Find());

    [Fact]
    public void Find_Precedence_IsOptionThenVariableThenContext()
    {
        cli.Variables["MARIONETTE_CONTEXT"] = "two";
        Same("http://two:1/", "mk_two", Find());
        Same("http://one/", "mk_one", Find(context: "one"));
        cli.Variables["MARIONETTE_API_KEY"] = "mk_variable";
        Same("http://two:1/", "mk_variable", Find());
        cli.Variables["MARIONETTE_API_URL"] = "http://variable:5";
        Same("http://variable:5/", "mk_variable", Find());
        Same("http://option:6/", "mk_option", Find(server: "option:6", apiKey: "mk_option"));
    }

    [Fact]
    public void Find_ServerOfAnotherPlace_DoesNotGetTheContextsKey()
    {
        Assert.Null(Find(server: "http://stranger").ApiKey);
        Same("http://one/", "mk_one", Find(server: "http://one"));
    }

    [Theory]
    [InlineData("nowhere", "there is no context 'nowhere'")]
    [InlineData("bare", "context 'bare' has no server")]
    public void Find_UnusableContext_SaysWhy(string name, string message) => Assert.Equal(message, Assert.Throws<CliException>(() => Find(context: name)).Message);

    [Theory]
    [InlineData("""{"api_url":"http://127.0.0.1:1","admin_url":"http://127.0.0.1:2","grpc_url":"http://127.0.0.1:3","api_key":"mk_x"}""", true)]
    [InlineData("""{"api_url":"http://127.0.0""", false)]
    [InlineData("", false)]
    [InlineData("[]", false)]
    public void LocalStack_FileHalfWritten_IsNoStack(string text, bool whole)
    {
        var read = LocalStack.Read(folder.Write("endpoints.json", text));
        Assert.Equal(whole, read is not null);
        if (read is not null)
            Assert.Equal(("http://127.0.0.1:1/", "mk_x"), (read.ApiUrl.ToString(), read.ApiKey));
    }

    private static void Same(string server, string? key, Endpoint found) => Assert.Equal((server, key), (found.Server.ToString(), found.ApiKey));

    private Endpoint Find(string? server = null, string? apiKey = null, string? context = null) =>
        EndpointFinder.Find(cli.Context([], TextWriter.Null, TextWriter.Null), server, apiKey, context, null);
}

using System.CommandLine;
using Marionette.Cli.Api;
using Marionette.Cli.Configuration;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary>The options that every command takes, and what commands get out of them.</summary>
internal sealed class GlobalOptions
{
    public Option<string?> Server { get; } = new("--server", "-s") { Description = "Address of the API (MARIONETTE_API_URL)", HelpName = "URL", Recursive = true };

    public Option<string?> ApiKey { get; } = new("--api-key", "-k") { Description = "API key, mk_… (MARIONETTE_API_KEY)", HelpName = "KEY", Recursive = true };

    public Option<string?> Context { get; } = new("--context") { Description = "Named server of the configuration (MARIONETTE_CONTEXT)", HelpName = "NAME", Recursive = true };

    public Option<string?> Config { get; } = new("--config") { Description = "Configuration file", HelpName = "FILE", Recursive = true };

    public Option<OutputFormat> Output { get; } = new("--output", "-o")
    {
        Description = "table (default) for people, wide for more columns; json or yaml for programs",
        HelpName = "table|wide|json|yaml",
        Recursive = true,
    };

    public void AddTo(RootCommand root)
    {
        root.Add(Server);
        root.Add(ApiKey);
        root.Add(Context);
        root.Add(Config);
        root.Add(Output);
    }

    public Endpoint Endpoint(ParseResult result, CliContext context) =>
        EndpointFinder.Find(context, result.GetValue(Server), result.GetValue(ApiKey), result.GetValue(Context), result.GetValue(Config));

    public ApiClient Api(ParseResult result, CliContext context) => new(Endpoint(result, context), context.Clock, context.Transport);

    public ResultWriter Results(ParseResult result, CliContext context) =>
        new(context.Out, result.GetValue(Output), context.Terminal is { Color: true, OutputIsTerminal: true });

    public string ConfigPath(ParseResult result, CliContext context) => CliConfig.PathFor(context, result.GetValue(Config));
}

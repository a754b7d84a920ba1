using Marionette.Cli.Api;
using Marionette.Cli.Local;

namespace Marionette.Cli.Configuration;

/// <summary>
/// Finds the server and the key: options, then environment, then the chosen context, then the stack that runs on this machine. Address
/// and key are looked up apart, but a key is taken along only with the address it belongs to, or when it was given on purpose.
/// </summary>
internal static class EndpointFinder
{
    public static Endpoint Find(CliContext context, string? server, string? apiKey, string? contextName, string? configPath)
    {
        var givenServer = server ?? context.Variable("MARIONETTE_API_URL");
        var givenKey = apiKey ?? context.Variable("MARIONETTE_API_KEY");
        var origin = server is not null ? "--server" : "MARIONETTE_API_URL";
        var named = Named(context, contextName, configPath);
        if (givenServer is not null)
        {
            var address = Address(givenServer, origin);
            return new Endpoint(address, givenKey ?? KeyKnownFor(address, named?.Context, context), origin);
        }
        if (named is { } found)
        {
            var address = found.Context.Server ?? throw new CliException($"context '{found.Name}' has no server", $"Set it: marionette config set-context {found.Name} --server URL");
            return new Endpoint(Address(address, $"context {found.Name}"), givenKey ?? found.Context.ApiKey, $"context {found.Name}");
        }
        var file = DataFolder.EndpointsFile(DataFolder.Default(context));
        if (LocalStack.Read(file) is { } local)
            return new Endpoint(local.ApiUrl, givenKey ?? local.ApiKey, file);
        throw new CliException("no server is named, and none runs here", "Start one with 'marionette up', or give --server, MARIONETTE_API_URL or a context.");
    }

    private static (string Name, ServerContext Context)? Named(CliContext context, string? option, string? configPath)
    {
        var config = CliConfig.Load(CliConfig.PathFor(context, configPath));
        var name = option ?? context.Variable("MARIONETTE_CONTEXT") ?? config.CurrentContext;
        if (name is null)
            return null;
        return config.Contexts.TryGetValue(name, out var found)
            ? (name, found)
            : throw new CliException($"there is no context '{name}'", "'marionette config get-contexts' lists them.");
    }

    private static string? KeyKnownFor(Uri address, ServerContext? named, CliContext context)
    {
        if (named is { Server: { } server, ApiKey: { } key } && Uri.TryCreate(server, UriKind.Absolute, out var known) && Same(known, address))
            return key;
        return LocalStack.Read(DataFolder.EndpointsFile(DataFolder.Default(context))) is { } local && Same(local.ApiUrl, address) ? local.ApiKey : null;
    }

    private static bool Same(Uri left, Uri right) => Uri.Compare(left, right, UriComponents.SchemeAndServer, UriFormat.Unescaped, StringComparison.OrdinalIgnoreCase) == 0;

    private static Uri Address(string text, string origin)
    {
        var full = text.Contains("://", StringComparison.Ordinal) ? text : "http://" + text;
        return Uri.TryCreate(full, UriKind.Absolute, out var address) && address.Scheme is "http" or "https" && address.AbsolutePath == "/"
            ? address
            : throw new CliException($"'{text}' (from {origin}) is not the address of a server", "Write it as http://HOST:PORT.", ExitCode.Usage);
    }
}

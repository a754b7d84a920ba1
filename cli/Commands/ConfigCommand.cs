using System.CommandLine;
using Marionette.Cli.Configuration;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette config …</c>: named servers, in the original's file and words.</summary>
internal static class ConfigCommand
{
    public static Command Create(GlobalOptions globals, CliContext context) => new("config", "Named servers")
    {
        Set(globals, context),
        Use(globals, context),
        View(globals, context),
        Delete(globals, context),
        GetContexts(globals, context),
    };

    private static Command Set(GlobalOptions globals, CliContext context)
    {
        var name = new Argument<string>("NAME");
        // --server and --api-key are the global options: here they say what to store.
        var command = new Command("set-context", "Store a server and key (--server, --api-key) under a name") { name };
        command.SetAction(result =>
        {
            var path = globals.ConfigPath(result, context);
            var config = CliConfig.Load(path);
            var server = result.GetValue(globals.Server);
            var key = result.GetValue(globals.ApiKey);
            if (server is null && key is null)
                throw new CliException("nothing to set", "Give --server, --api-key or both.", ExitCode.Usage);
            var before = config.Contexts.GetValueOrDefault(result.GetValue(name)!);
            config = config.With(result.GetValue(name)!, new ServerContext(server ?? before?.Server, key ?? before?.ApiKey));
            config.Save(path);
            context.Out.WriteLine($"Context \"{result.GetValue(name)}\" is set.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Use(GlobalOptions globals, CliContext context)
    {
        var name = new Argument<string>("NAME");
        var command = new Command("use-context", "Use this server from now on") { name };
        command.SetAction(result =>
        {
            var path = globals.ConfigPath(result, context);
            var config = Known(CliConfig.Load(path), result.GetValue(name)!);
            (config with { CurrentContext = result.GetValue(name) }).Save(path);
            context.Out.WriteLine($"Now using \"{result.GetValue(name)}\".");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command View(GlobalOptions globals, CliContext context)
    {
        var raw = new Option<bool>("--raw") { Description = "Show the keys" };
        var command = new Command("view", "Print the configuration, keys hidden") { raw };
        command.SetAction(result =>
        {
            var config = CliConfig.Load(globals.ConfigPath(result, context));
            if (!result.GetValue(raw))
            {
                foreach (var (name, server) in config.Contexts.Where(pair => pair.Value.ApiKey is not null).ToArray())
                    config = config.With(name, server with { ApiKey = Hide(server.ApiKey!) });
            }
            context.Out.Write(ConfigText.Write(config));
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Delete(GlobalOptions globals, CliContext context)
    {
        var name = new Argument<string>("NAME");
        var command = new Command("delete-context", "Forget a server") { name };
        command.SetAction(result =>
        {
            var path = globals.ConfigPath(result, context);
            Known(CliConfig.Load(path), result.GetValue(name)!).Without(result.GetValue(name)!).Save(path);
            context.Out.WriteLine($"Context \"{result.GetValue(name)}\" is deleted.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command GetContexts(GlobalOptions globals, CliContext context)
    {
        var command = new Command("get-contexts", "List the named servers");
        command.SetAction(result =>
        {
            var config = CliConfig.Load(globals.ConfigPath(result, context));
            if (config.Contexts.Count == 0)
                context.Out.WriteLine("No contexts.");
            foreach (var (name, server) in config.Contexts)
                context.Out.WriteLine($"{(name == config.CurrentContext ? "*" : " ")} {name,-20} {server.Server ?? "-"}");
            return ExitCode.Ok;
        });
        return command;
    }

    private static CliConfig Known(CliConfig config, string name) => config.Contexts.ContainsKey(name)
        ? config
        : throw new CliException($"there is no context '{name}'", "'marionette config get-contexts' lists them.");

    private static string Hide(string key) => key.Length > 8 ? key[..8] + "…" : "…";
}

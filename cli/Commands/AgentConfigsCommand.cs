using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette agent-configs …</c>. Keys come from stdin or a variable: what stands in a command line, everybody on the machine can read.</summary>
internal static class AgentConfigsCommand
{
    private const string Path = "/api/v1/agent-configs";

    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var verbs = new Verbs(Path, "agent configuration", globals, context);
        var command = new Command("agent-configs", "What agents need: keys, models, addresses, variables")
        {
            Write(isNew: true, verbs, globals, context),
            verbs.List(ScheduleColumns.Configs(context.Clock), [("agent", Arguments.Many("--agent", "Only of this agent kind"))], Arguments.LabelFilter("agent configurations")),
            verbs.Get(ScheduleColumns.Config, "Show one agent configuration, without its secrets"),
            Write(isNew: false, verbs, globals, context),
            verbs.Delete("Remove an agent configuration that nothing uses"),
        };
        command.Aliases.Add("agent-config");
        command.Aliases.Add("acfg");
        return command;
    }

    private static Command Write(bool isNew, Verbs verbs, GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("ID");
        var name = new Option<string?>("--name") { Description = "A name for people", Required = isNew };
        var agent = new Option<string>("--agent") { Description = "claude, codex, acp or command", DefaultValueFactory = _ => "claude" };
        var model = new Option<string?>("--model") { Description = "Model, as the agent names it" };
        var baseUrl = new Option<string?>("--base-url") { Description = "Address of the model's API", HelpName = "URL" };
        var keyStdin = new Option<bool>("--api-key-stdin") { Description = "Read the model's key from stdin" };
        var keyEnv = new Option<string?>("--api-key-env") { Description = "Take the model's key from this variable", HelpName = "VARIABLE" };
        var noKey = new Option<bool>("--no-api-key") { Description = "Take the stored key away" };
        var env = Arguments.Pairs("--env", "Variables for the agent: all of them");
        var envFrom = Arguments.Many("--env-from", "Variables for the agent, with the values that they have here");
        var extra = new Option<string?>("--extra") { Description = "Options of the agent kind, a JSON object. It is shown: no secrets", HelpName = "JSON" };
        var makeDefault = new Option<bool?>("--default") { Description = "Sessions of this agent that name none get it; false takes that away", HelpName = "true|false", Arity = ArgumentArity.ZeroOrOne };
        var labels = Arguments.Pairs("--labels", "Labels", "--label");
        var key = Arguments.IdempotencyKey();
        var command = new Command(isNew ? "create" : "update", isNew ? "Store an agent configuration" : "Change what the options name; \"\" unsets")
        {
            name, model, baseUrl, keyStdin, keyEnv, env, envFrom, extra, makeDefault, labels,
        };
        if (isNew)
        {
            command.Add(agent);
            command.Add(key);
        }
        else
        {
            command.Add(id);
            command.Add(noKey);
        }

        command.Validators.Add(result =>
        {
            if ((result.GetValue(keyStdin) ? 1 : 0) + (result.GetValue(keyEnv) is null ? 0 : 1) + (!isNew && result.GetValue(noKey) ? 1 : 0) > 1)
                result.AddError("Only one of the options for the key");
        });
        command.SetAction(async (result, cancellationToken) =>
        {
            var body = new JsonObject()
                .Put("name", result.GetValue(name))
                .Put("agent", isNew ? result.GetValue(agent) : null)
                .Put("model", result.GetValue(model))
                .Put("base_url", result.GetValue(baseUrl))
                .Put("api_key", !isNew && result.GetValue(noKey) ? "" : await KeyAsync(result.GetValue(keyStdin), result.GetValue(keyEnv), context, cancellationToken).ConfigureAwait(false))
                .Put("env", Variables(result.GetValue(env), result.GetValue(envFrom), context))
                .Put("extra", Object(result.GetValue(extra)))
                .Put("is_default", result.GetResult(makeDefault) is null ? null : result.GetValue(makeDefault) ?? true)
                .Put("labels", Arguments.Map(result.GetValue(labels), "--labels"));
            using var api = globals.Api(result, context);
            var written = isNew
                ? await api.CreateAsync(Path, body, result.GetValue(key), cancellationToken).ConfigureAwait(false)
                : await api.PatchAsync(verbs.PathOf(result.GetValue(id)!), body, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(written, ScheduleColumns.Config);
            return ExitCode.Ok;
        });
        return command;
    }

    private static async Task<string?> KeyAsync(bool stdin, string? variable, CliContext context, CancellationToken cancellationToken)
    {
        if (variable is not null)
            return context.Variable(variable) ?? throw new CliException($"{variable} is not set", null, ExitCode.Usage);
        if (!stdin)
            return null;
        var key = (await context.In.ReadToEndAsync(cancellationToken).ConfigureAwait(false)).Trim();
        return key.Length > 0 ? key : throw new CliException("there is no key on stdin", null, ExitCode.Usage);
    }

    private static JsonObject? Variables(string[]? pairs, string[]? names, CliContext context)
    {
        var map = Arguments.Map(pairs, "--env");
        foreach (var name in names ?? [])
            (map ??= [])[name] = context.Variable(name) ?? throw new CliException($"{name} is not set", null, ExitCode.Usage);
        return map;
    }

    private static JsonNode? Object(string? json)
    {
        if (json is null)
            return null;
        try
        {
            return JsonNode.Parse(json.Length == 0 ? "{}" : json) as JsonObject ?? throw new JsonException();
        }
        catch (JsonException)
        {
            throw new CliException("--extra is not a JSON object", null, ExitCode.Usage);
        }
    }
}

using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette policies …</c></summary>
internal static class PoliciesCommand
{
    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var command = new Command("policies", "Rules that answer permission requests")
        {
            List(globals, context), Add(globals, context), Remove(globals, context), Move(globals, context), Test(globals, context),
        };
        command.Aliases.Add("policy");
        return command;
    }

    private static Command List(GlobalOptions globals, CliContext context)
    {
        var command = new Command("list", "The tenant's rules, in the order in which they are tried");
        command.Aliases.Add("ls");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            globals.Results(result, context).List(await api.GetAsync("/api/v1/policies", cancellationToken).ConfigureAwait(false), PolicyColumns.Rules, "No rules: people are asked.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Add(GlobalOptions globals, CliContext context)
    {
        var effect = new Argument<string>("EFFECT") { Description = "allow, deny or ask" };
        effect.AcceptOnlyFromAmong("allow", "deny", "ask");
        var name = new Option<string?>("--name") { Description = "For people" };
        var reason = new Option<string?>("--reason") { Description = "Why; the agent reads it with a denial" };
        var position = new Option<int?>("--position") { Description = "From 0 (default: the end)", HelpName = "N" };
        var json = new Option<string?>("--rule") { Description = "More of the rule, as a JSON object (ask, labels, …)", HelpName = "JSON" };
        var conditions = new RuleOptions();
        var command = new Command("add", "Add a rule") { effect, name, reason, position, json };
        conditions.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var body = ReadRule(result.GetValue(json));
            body["effect"] = result.GetValue(effect);
            body.Put("name", result.GetValue(name)).Put("reason", result.GetValue(reason)).Put("position", result.GetValue(position));
            conditions.Put(result, body);
            var rule = await api.CreateAsync("/api/v1/policies", body, null, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(rule, PolicyColumns.Rule);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Remove(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("RULE");
        var command = new Command("remove", "Remove a rule") { id };
        command.Aliases.Add("rm");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            await api.DeleteAsync($"/api/v1/policies/{Uri.EscapeDataString(result.GetValue(id)!)}", cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).Done($"{result.GetValue(id)} is removed.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Move(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("RULE");
        var position = new Argument<int>("POSITION") { Description = "From 0" };
        var command = new Command("move", "Put a rule at another position") { id, position };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var body = new JsonObject { ["position"] = result.GetValue(position) };
            var rule = await api.CreateAsync($"/api/v1/policies/{Uri.EscapeDataString(result.GetValue(id)!)}/move", body, null, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(rule, PolicyColumns.Rule);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Test(GlobalOptions globals, CliContext context)
    {
        var tool = new Option<string?>("--tool") { Description = "What is asked for (default Bash)" };
        var commandLine = new Option<string?>("--command") { Description = "The shell command", HelpName = "TEXT" };
        var category = new Option<string?>("--category") { Description = "command, read, edit, delete, network, mcp, plan, question, other" };
        var paths = Arguments.Many("--path", "Paths that it touches");
        var hosts = Arguments.Many("--host", "Hosts that it talks to");
        var agent = new Option<string?>("--agent") { Description = "Agent kind" };
        var past = new Option<int?>("--past") { Description = "Instead of one request: the newest N that were made", HelpName = "N" };
        var command = new Command("test", "What the rules say of a request; nothing is changed") { tool, commandLine, category, paths, hosts, agent, past };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var body = result.GetValue(past) is { } count ? new JsonObject { ["against"] = "past", ["limit"] = count } : new JsonObject
            {
                ["request"] = new JsonObject { ["tool"] = result.GetValue(tool) ?? "Bash" }.Put("command", result.GetValue(commandLine)).Put("category", result.GetValue(category))
                    .Put("paths", Arguments.Array(result.GetValue(paths))).Put("hosts", Arguments.Array(result.GetValue(hosts))).Put("agent", result.GetValue(agent)),
            };
            var answer = await api.CreateAsync("/api/v1/policies/test", body, null, cancellationToken).ConfigureAwait(false);
            var results = globals.Results(result, context);
            if (result.GetValue(past) is not null)
                results.List(answer, PolicyColumns.Past, "No requests yet.");
            else
                results.One(results.Format.IsForPeople() ? answer.Items("items").First() : answer, PolicyColumns.Verdict);
            return ExitCode.Ok;
        });
        return command;
    }

    private static JsonObject ReadRule(string? text)
    {
        if (text is null)
            return [];
        try
        {
            return JsonNode.Parse(text) as JsonObject ?? throw new CliException("--rule must be a JSON object", null, ExitCode.Usage);
        }
        catch (JsonException error)
        {
            throw new CliException($"--rule is not JSON: {error.Message}", null, ExitCode.Usage);
        }
    }
}

/// <summary>The conditions of a rule as options.</summary>
internal sealed class RuleOptions
{
    private readonly Option<string[]> tools = Arguments.Many("--tool", "Tools (globs)");
    private readonly Option<string[]> categories = Arguments.Many("--category", "command, read, edit, delete, network, mcp, plan, question, other");

    // Commands may hold commas: one option each.
    private readonly Option<string[]> commands = new("--command") { Description = "Pattern of a simple command, 'git push *'; repeat it", HelpName = "PATTERN" };
    private readonly Option<string[]> paths = Arguments.Many("--path", "Globs of paths");
    private readonly Option<string[]> hosts = Arguments.Many("--host", "Globs of hosts");
    private readonly Option<string[]> agents = Arguments.Many("--agent", "Agent kinds");
    private readonly Option<string?> least = new("--risk-at-least") { Description = "low, medium, high, critical" };
    private readonly Option<string?> most = new("--risk-at-most") { Description = "low, medium, high, critical" };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { tools, categories, commands, paths, hosts, agents, least, most })
            command.Options.Add(option);
    }

    public void Put(ParseResult result, JsonObject body) => body
        .Put("tools", Arguments.Array(result.GetValue(tools))).Put("categories", Arguments.Array(result.GetValue(categories)))
        .Put("commands", Arguments.Array(result.GetValue(commands))).Put("paths", Arguments.Array(result.GetValue(paths)))
        .Put("hosts", Arguments.Array(result.GetValue(hosts))).Put("agents", Arguments.Array(result.GetValue(agents)))
        .Put("risk_at_least", result.GetValue(least)).Put("risk_at_most", result.GetValue(most));
}

using System.CommandLine;
using System.Text.Json.Nodes;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette sessions change</c>, and its short forms: <c>allow</c> for one host, <c>move</c> for the provider, <c>extend</c> for its end.</summary>
internal static class SessionChange
{
    private static readonly string[] PermissionModes = ["default", "acceptEdits", "plan", "bypassPermissions"];

    private static readonly string[] FailoverPolicies = ["at_once", "ask", "never"];

    public static Option<string?> Failover(string description) => new Option<string?>("--failover") { Description = description }.AcceptOnlyFromAmong(FailoverPolicies);

    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("SESSION");
        var name = new Option<string?>("--name") { Description = "A name for people" };
        var model = new Option<string?>("--model") { Description = "Model from now on; empty = the agent's default" };
        var mode = new Option<string?>("--permission-mode") { Description = "What the agent asks about from now on" }.AcceptOnlyFromAmong(PermissionModes);
        var labels = Arguments.Pairs("--labels", "Labels instead of those that it has", "--label");
        var autoContinue = new Option<bool?>("--auto-continue") { Description = "Whether tasks that wait for quota go on by themselves" };
        var failover = Failover("What becomes of a run whose runner is lost, from now on");
        var strategy = new Option<string?>("--suspend-strategy") { Description = "What becomes of its runner when it is suspended, from the next time on" }
            .AcceptOnlyFromAmong("release", "pause");
        var policy = PlacementOptions.Policy("What its runner may reach, at once, where its provider controls it");
        var hosts = PlacementOptions.AllowedHosts("Hosts instead of those that it may reach now; \"\" = none");
        var unlimited = new Option<bool>("--no-budget") { Description = "Take the limits away" };
        var budget = new BudgetOptions();
        var command = new Command("change", "Change name, labels, model, permission mode, budget, network policy, failover policy or suspend strategy")
            { id, name, model, mode, labels, policy, hosts, autoContinue, failover, strategy, unlimited };
        command.Aliases.Add("update");
        budget.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var body = new JsonObject().Put("name", result.GetValue(name)).Put("model", result.GetValue(model)).Put("permission_mode", result.GetValue(mode))
                .Put("labels", Arguments.Map(result.GetValue(labels), "--labels")).Put("auto_continue", result.GetValue(autoContinue))
                .Put("failover_policy", result.GetValue(failover)).Put("suspend_strategy", result.GetValue(strategy))
                .Put("network_policy", result.GetValue(policy)).Put("allowed_hosts", Arguments.Whole(result, hosts))
                .Put("budget", result.GetValue(unlimited) ? new JsonObject() : budget.Body(result));
            var session = await api.PatchAsync($"/api/v1/sessions/{Uri.EscapeDataString(result.GetValue(id)!)}", body, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(session, Columns.Session(context.Clock));
            return ExitCode.Ok;
        });
        return command;
    }

    public static Command Move(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("SESSION");
        var provider = new Argument<string>("PROVIDER") { Description = "As 'providers list' names it" };
        var command = new Command("move", "Go on at another provider, with files and conversation") { id, provider };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var body = new JsonObject { ["provider"] = result.GetValue(provider) };
            var session = await api.PatchAsync($"/api/v1/sessions/{Uri.EscapeDataString(result.GetValue(id)!)}", body, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(session, Columns.Session(context.Clock));
            return ExitCode.Ok;
        });
        return command;
    }

    public static Command Extend(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("SESSION");
        var span = new Argument<string?>("SPAN") { Description = "Added to its end: 90m, 12h, 7d", Arity = ArgumentArity.ZeroOrOne };
        var until = new Option<string?>("--until") { Description = "Its end: a time (2027-01-31T00:00:00Z), or a span from now", HelpName = "WHEN" };
        var never = new Option<bool>("--never") { Description = "It lives until somebody ends it" };
        var command = new Command("extend", "Move the end of a session's life") { id, span, until, never };
        command.SetAction(async (result, cancellationToken) =>
        {
            var body = new JsonObject().Put("seconds", Arguments.Seconds(result.GetValue(span), "SPAN"))
                .Put("expires_at", KeysCommand.Moment(result.GetValue(until), context.Clock)).Put("never", result.GetValue(never) ? true : null);
            if (body.Count != 1)
                throw new CliException("give one of SPAN, --until and --never", null, ExitCode.Usage);
            using var api = globals.Api(result, context);
            var path = $"/api/v1/sessions/{Uri.EscapeDataString(result.GetValue(id)!)}/extend";
            var session = await api.CreateAsync(path, body, null, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(session, Columns.Session(context.Clock));
            return ExitCode.Ok;
        });
        return command;
    }

    public static Command Allow(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("SESSION");
        var host = new Argument<string>("HOST") { Description = "NAME, *.NAME, an address or a network, with or without :PORT; as 'blocked: …' names it" };
        var command = new Command("allow", "Let its runner reach one more host, at once") { id, host };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var path = $"/api/v1/sessions/{Uri.EscapeDataString(result.GetValue(id)!)}/network/allow";
            var session = await api.CreateAsync(path, new JsonObject { ["host"] = result.GetValue(host) }, null, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(session, Columns.SessionNetwork);
            return ExitCode.Ok;
        });
        return command;
    }
}

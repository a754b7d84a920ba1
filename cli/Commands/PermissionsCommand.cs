using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette permissions …</c></summary>
internal static class PermissionsCommand
{
    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var command = new Command("permissions", "What agents ask before they do it")
        {
            List(globals, context), PermissionsWatch.Create(globals, context), Show(globals, context), Approve(globals, context), Deny(globals, context),
            Delegate(globals, context), Link(globals, context),
        };
        command.Aliases.Add("permission");
        command.Aliases.Add("perm");
        return command;
    }

    private static Command List(GlobalOptions globals, CliContext context)
    {
        var session = new Option<string?>("--session") { Description = "Only of this session", HelpName = "ID" };
        var task = new Option<string?>("--task") { Description = "Only of this task", HelpName = "ID" };
        var status = Arguments.Many("--status", "pending (default), approved, denied, expired, canceled, or all");
        var risk = Arguments.Many("--risk", "low, medium, high, critical");
        var limit = Arguments.Limit();
        var cursor = Arguments.Cursor();
        var command = new Command("list", "List requests, newest first") { session, task, status, risk, limit, cursor };
        command.Aliases.Add("ls");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            string[] wanted = result.GetValue(status) is { Length: > 0 } given ? given : ["pending"];
            var query = new Query("/api/v1/permissions").Add("session_id", result.GetValue(session)).Add("task_id", result.GetValue(task))
                .All("status", wanted.Contains("all") ? [] : wanted).All("risk_level", result.GetValue(risk))
                .Add("limit", result.GetValue(limit)).Add("cursor", result.GetValue(cursor));
            var page = await api.GetAsync(query.ToString(), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).List(page, Columns.Permissions(context.Clock), "No permission requests.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Show(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("PERMISSION");
        var command = new Command("show", "Everything about one request") { id };
        command.Aliases.Add("get");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var request = await api.GetAsync(PathOf(result.GetValue(id)!), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(request, Columns.Permission(context.Clock));
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Approve(GlobalOptions globals, CliContext context)
    {
        var id = new Argument<string?>("PERMISSION") { Arity = ArgumentArity.ZeroOrOne };
        var reason = new Option<string?>("--reason") { Description = "Why, for the record" };
        var input = new Option<string?>("--input") { Description = "Run it with this input (a JSON object) instead", HelpName = "JSON" };
        var remember = new Option<string?>("--remember") { Description = "Always allow this: in its task, its session, or for the tenant", HelpName = "SCOPE" };
        remember.AcceptOnlyFromAmong("task", "session", "tenant");
        var filter = new BulkFilter();
        var command = new Command("approve", "Allow it, or with a filter all that match") { id, reason, input, remember };
        command.Aliases.Add("allow");
        filter.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            if (filter.Of(result, result.GetValue(id)) is { } many)
            {
                if (result.GetValue(input) is not null || result.GetValue(remember) is not null)
                    throw new CliException("--input and --remember go with one request", null, ExitCode.Usage);
                return await BulkFilter.DecideAsync(api, globals.Results(result, context), many, "approve", result.GetValue(reason), cancellationToken).ConfigureAwait(false);
            }

            var body = new JsonObject().Put("reason", result.GetValue(reason)).Put("updated_input", ReadInput(result.GetValue(input))).Put("remember", result.GetValue(remember));
            var answer = await api.PostAsync($"{PathOf(result.GetValue(id)!)}/approve", body, cancellationToken).ConfigureAwait(false);
            if (answer?.Member("rule") is { } rule)
                globals.Results(result, context).One(rule, PolicyColumns.Rule);
            else
                globals.Results(result, context).Done($"{result.GetValue(id)} is approved.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Deny(GlobalOptions globals, CliContext context)
    {
        var id = new Argument<string?>("PERMISSION") { Arity = ArgumentArity.ZeroOrOne };
        var reason = new Option<string?>("--reason") { Description = "Why; the agent reads it" };
        var interrupt = new Option<bool>("--interrupt") { Description = "Stop the agent's turn as well" };
        var filter = new BulkFilter();
        var command = new Command("deny", "Refuse it, or with a filter all that match") { id, reason, interrupt };
        filter.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            if (filter.Of(result, result.GetValue(id)) is { } many)
                return await BulkFilter.DecideAsync(api, globals.Results(result, context), many, "deny", result.GetValue(reason), cancellationToken).ConfigureAwait(false);
            var body = new JsonObject().Put("reason", result.GetValue(reason)).Put("interrupt", result.GetValue(interrupt) ? true : null);
            await api.PostAsync($"{PathOf(result.GetValue(id)!)}/deny", body, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).Done($"{result.GetValue(id)} is denied.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Delegate(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("PERMISSION");
        var to = new Argument<string>("TO") { Description = "Name or id of a key" };
        var reason = new Option<string?>("--reason") { Description = "Why, for the record" };
        var command = new Command("delegate", "Hand it on to somebody else") { id, to, reason };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var body = new JsonObject { ["to"] = result.GetValue(to) }.Put("reason", result.GetValue(reason));
            await api.PostAsync($"{PathOf(result.GetValue(id)!)}/delegate", body, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).Done($"{result.GetValue(id)} waits for {result.GetValue(to)}.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Link(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("PERMISSION");
        var actor = new Argument<string>("ACTOR") { Description = "Who will answer with it" };
        var expires = new Option<int?>("--expires-in") { Description = "Seconds, 60 to 604800 (default 3600)", HelpName = "N" };
        var actions = Arguments.Many("--actions", "approve, deny (default both)");
        var command = new Command("link", "Make a link that answers it once, without a key") { id, actor, expires, actions };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var body = new JsonObject { ["actor"] = result.GetValue(actor) }.Put("expires_in", result.GetValue(expires)).Put("actions", Arguments.Array(result.GetValue(actions)));
            var link = await api.CreateAsync($"{PathOf(result.GetValue(id)!)}/links", body, null, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(link, [Column.Of("Link", "url"), Column.Of("For", "actor"), Column.Of("Until", "expires_at")]);
            return ExitCode.Ok;
        });
        return command;
    }

    private static string PathOf(string id) => $"/api/v1/permissions/{Uri.EscapeDataString(id)}";

    private static JsonObject? ReadInput(string? text)
    {
        if (text is null)
            return null;
        try
        {
            return JsonNode.Parse(text) as JsonObject ?? throw new CliException("--input must be a JSON object", null, ExitCode.Usage);
        }
        catch (JsonException error)
        {
            throw new CliException($"--input is not JSON: {error.Message}", null, ExitCode.Usage);
        }
    }
}

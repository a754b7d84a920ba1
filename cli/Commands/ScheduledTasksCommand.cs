using System.CommandLine;
using System.Text.Json.Nodes;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette scheduled-tasks …</c></summary>
internal static class ScheduledTasksCommand
{
    private const string Path = "/api/v1/scheduled-tasks";

    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var command = new Command("scheduled-tasks", "Prompts that come again by the clock")
        {
            CreateSchedule(globals, context),
            List(globals, context),
            Get(globals, context),
            Update(globals, context),
            Delete(globals, context),
            Change("pause", "No occurrences until it is resumed", globals, context),
            Change("resume", "Active again, from now on", globals, context),
            Trigger(globals, context),
            History(globals, context),
        };
        command.Aliases.Add("scheduled-task");
        command.Aliases.Add("stask");
        return command;
    }

    private static Command CreateSchedule(GlobalOptions globals, CliContext context)
    {
        var options = new ScheduleOptions();
        var agent = new Option<string?>("--agent") { Description = "Without --session: a session of this agent for each occurrence (claude)" };
        var model = new Option<string?>("--model") { Description = "Model of such a session" };
        var baseUrl = new Option<string?>("--base-url") { Description = "Address of its model's API", HelpName = "URL" };
        var config = new Option<string?>("--agent-config") { Description = "Agent configuration of such a session; default: the tenant's", HelpName = "ID" };
        var workspace = new Option<string?>("--workspace") { Description = "Workspace of such a session; default: a new one each time", HelpName = "ID" };
        var permissionMode = new Option<string?>("--permission-mode") { Description = "What its agent asks about" };
        var autoContinue = new Option<bool>("--auto-continue") { Description = "Tasks of such a session that wait for quota go on by themselves" };
        var budget = new BudgetOptions();
        var key = Arguments.IdempotencyKey();
        var words = new Argument<string[]>("COMMAND") { Description = "With --agent command: the program and its arguments, after --", Arity = ArgumentArity.ZeroOrMore };
        var command = new Command("create", "Create a scheduled task") { agent, model, baseUrl, config, workspace, permissionMode, autoContinue, key, words };
        options.AddTo(command);
        budget.AddTo(command);
        command.Validators.Add(result =>
        {
            if (result.GetValue(options.Session) is null)
                return;
            Option[] own = [agent, model, baseUrl, config, workspace, permissionMode, autoContinue, budget.Cost, budget.Tokens, budget.Minutes, budget.Warn];
            foreach (var option in own.Where(option => result.GetResult(option) is { Implicit: false }))
                result.AddError($"{option.Name} is for sessions of its own; it does not go with --session");
        });
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var body = await options.BodyAsync(result, context, cancellationToken).ConfigureAwait(false);
            if (result.GetValue(options.Session) is null)
            {
                body["session"] = new JsonObject { ["agent"] = result.GetValue(agent) ?? "claude" }
                    .Put("model", result.GetValue(model))
                    .Put("base_url", result.GetValue(baseUrl))
                    .Put("agent_config_id", result.GetValue(config))
                    .Put("workspace_id", result.GetValue(workspace))
                    .Put("permission_mode", result.GetValue(permissionMode))
                    .Put("budget", budget.Body(result))
                    .Put("auto_continue", result.GetValue(autoContinue) ? true : null)
                    .Put("command", Arguments.Array(result.GetValue(words)));
            }

            var made = await api.CreateAsync(Path, body, result.GetValue(key), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(made, ScheduleColumns.One(context.Clock));
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command List(GlobalOptions globals, CliContext context)
    {
        var status = Arguments.Many("--status", "active, paused, disabled, ended");
        var session = new Option<string?>("--session") { Description = "Only those that run in this session", HelpName = "ID" };
        var labels = Arguments.Pairs("--labels", "Only those with these labels", "--label");
        var limit = Arguments.Limit();
        var cursor = Arguments.Cursor();
        var command = new Command("list", "List scheduled tasks, newest first") { status, session, labels, limit, cursor };
        command.Aliases.Add("ls");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var query = new Query(Path).All("status", result.GetValue(status)).Add("session_id", result.GetValue(session))
                .Labels(result.GetValue(labels)).Add("limit", result.GetValue(limit)).Add("cursor", result.GetValue(cursor));
            var page = await api.GetAsync(query.ToString(), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).List(page, ScheduleColumns.Many(context.Clock), "No scheduled tasks.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Get(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("ID");
        var command = new Command("get", "Show one scheduled task") { id };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var found = await api.GetAsync(PathOf(result.GetValue(id)!), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(found, ScheduleColumns.One(context.Clock));
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Update(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("ID");
        var options = new ScheduleOptions();
        var command = new Command("update", "Change what the options name; \"\" unsets a description or a time") { id };
        options.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var body = await options.BodyAsync(result, context, cancellationToken).ConfigureAwait(false);
            if (body.Count == 0)
                throw new CliException("nothing to change", "'marionette scheduled-tasks update --help' lists the options.", ExitCode.Usage);
            var changed = await api.PatchAsync(PathOf(result.GetValue(id)!), body, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(changed, ScheduleColumns.One(context.Clock));
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Delete(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("ID");
        var command = new Command("delete", "Remove a scheduled task") { id };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            await api.DeleteAsync(PathOf(result.GetValue(id)!), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).Done($"{result.GetValue(id)} is removed.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Change(string verb, string description, GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("ID");
        var command = new Command(verb, description) { id };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var changed = await api.CreateAsync($"{PathOf(result.GetValue(id)!)}/{verb}", [], null, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(changed, ScheduleColumns.One(context.Clock));
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Trigger(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("ID");
        var key = Arguments.IdempotencyKey();
        var command = new Command("trigger", "An occurrence now; shows its task") { id, key };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var task = await api.CreateAsync($"{PathOf(result.GetValue(id)!)}/trigger", [], result.GetValue(key), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(task, Columns.Task(context.Clock));
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command History(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("ID");
        var status = Arguments.Many("--status", "waiting, starting, running, completed, failed, canceled, skipped, missed");
        var limit = Arguments.Limit();
        var command = new Command("history", "List occurrences, newest first") { id, status, limit };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var query = new Query($"{PathOf(result.GetValue(id)!)}/history").All("status", result.GetValue(status)).Add("limit", result.GetValue(limit));
            var page = await api.GetAsync(query.ToString(), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).List(page, ScheduleColumns.Occurrences, "No occurrences yet.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static string PathOf(string id) => $"{Path}/{Uri.EscapeDataString(id)}";
}

using System.CommandLine;
using System.Text.Json.Nodes;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette scheduled-tasks …</c></summary>
internal static class ScheduledTasksCommand
{
    private const string Path = "/api/v1/scheduled-tasks";

    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var verbs = new Verbs(Path, "scheduled task", globals, context);
        (string, Option<string[]>)[] filters =
        [
            ("status", Arguments.Many("--status", "active, paused, disabled, ended")), ("session_id", Arguments.Many("--session", "Only those that run in this session")),
        ];
        var command = new Command("scheduled-tasks", "Prompts that come again by the clock")
        {
            CreateSchedule(globals, context),
            verbs.List(ScheduleColumns.Many(context.Clock), filters, Arguments.LabelFilter("scheduled tasks")),
            verbs.Get(ScheduleColumns.One(context.Clock)),
            Update(verbs, globals, context),
            verbs.Delete("Remove a scheduled task"),
            Change("pause", "No occurrences until it is resumed", verbs, globals, context),
            Change("resume", "Active again, from now on", verbs, globals, context),
            Trigger(verbs, globals, context),
            History(verbs, globals, context),
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
        var placement = new PlacementOptions();
        var key = Arguments.IdempotencyKey();
        var words = new Argument<string[]>("COMMAND") { Description = "With --agent command: the program and its arguments, after --", Arity = ArgumentArity.ZeroOrMore };
        var command = new Command("create", "Create a scheduled task") { agent, model, baseUrl, config, workspace, permissionMode, autoContinue, key, words };
        options.AddTo(command);
        budget.AddTo(command);
        placement.AddTo(command);
        command.Validators.Add(result =>
        {
            if (result.GetValue(options.Session) is null)
                return;
            Option[] own = [agent, model, baseUrl, config, workspace, permissionMode, autoContinue, budget.Cost, budget.Tokens, budget.Minutes, budget.Warn, .. placement.All];
            foreach (var option in own.Where(option => result.GetResult(option) is { Implicit: false }))
                result.AddError($"{option.Name} is for sessions of its own; it does not go with --session");
        });
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var body = await options.BodyAsync(result, context, cancellationToken).ConfigureAwait(false);
            if (result.GetValue(options.Session) is null)
            {
                body["session"] = placement.Put(result, new JsonObject { ["agent"] = result.GetValue(agent) ?? "claude" })
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

    private static Command Update(Verbs verbs, GlobalOptions globals, CliContext context)
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
            var changed = await api.PatchAsync(verbs.PathOf(result.GetValue(id)!), body, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(changed, ScheduleColumns.One(context.Clock));
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Change(string verb, string description, Verbs verbs, GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("ID");
        var command = new Command(verb, description) { id };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var changed = await api.CreateAsync($"{verbs.PathOf(result.GetValue(id)!)}/{verb}", [], null, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(changed, ScheduleColumns.One(context.Clock));
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Trigger(Verbs verbs, GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("ID");
        var key = Arguments.IdempotencyKey();
        var command = new Command("trigger", "An occurrence now; shows its task") { id, key };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var task = await api.CreateAsync($"{verbs.PathOf(result.GetValue(id)!)}/trigger", [], result.GetValue(key), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(task, Columns.Task(context.Clock));
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command History(Verbs verbs, GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("ID");
        var status = Arguments.Many("--status", "waiting, starting, running, completed, failed, canceled, skipped, missed");
        var limit = Arguments.Limit();
        var command = new Command("history", "List occurrences, newest first") { id, status, limit };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var query = new Query($"{verbs.PathOf(result.GetValue(id)!)}/history").All("status", result.GetValue(status)).Add("limit", result.GetValue(limit));
            var page = await api.GetAsync(query.ToString(), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).List(page, ScheduleColumns.Occurrences, "No occurrences yet.");
            return ExitCode.Ok;
        });
        return command;
    }
}

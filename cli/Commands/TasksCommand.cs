using System.CommandLine;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette tasks …</c></summary>
internal static class TasksCommand
{
    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var command = new Command("tasks", "Prompts that a session executes, one after another")
        {
            RunCommand.Create(globals, context),
            RunCommand.CreateDetached(globals, context),
            List(globals, context),
            Get(globals, context),
            LogsCommand.Create(globals, context),
            Change("cancel", "Stop a task", "cancel requested", globals, context),
            Change("retry", "Queue a failed or canceled task again", "is queued again", globals, context),
            TaskQueueCommands.Send(globals, context),
            TaskQueueCommands.Move(globals, context),
            TaskQueueCommands.Continue(globals, context),
        };
        command.Aliases.Add("task");
        return command;
    }

    private static Command List(GlobalOptions globals, CliContext context)
    {
        var session = new Option<string?>("--session") { Description = "Only tasks of this session", HelpName = "ID" };
        var status = Arguments.Many("--status", "queued, running, waiting_permission, waiting_for_model, waiting_for_quota, waiting_for_budget, waiting_for_failover, completed, failed, canceled, timed_out");
        var labels = Arguments.Pairs("--labels", "Only tasks with these labels", "--label");
        var limit = Arguments.Limit();
        var cursor = Arguments.Cursor();
        var command = new Command("list", "List tasks, newest first") { session, status, labels, limit, cursor };
        command.Aliases.Add("ls");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var query = new Query("/api/v1/tasks").Add("session_id", result.GetValue(session)).All("status", result.GetValue(status))
                .Labels(result.GetValue(labels)).Add("limit", result.GetValue(limit)).Add("cursor", result.GetValue(cursor));
            var page = await api.GetAsync(query.ToString(), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).List(page, Columns.Tasks(context.Clock), "No tasks.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Get(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("TASK");
        var command = new Command("get", "Show one task") { id };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var task = await api.GetAsync($"/api/v1/tasks/{Uri.EscapeDataString(result.GetValue(id)!)}", cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(task, Columns.Task(context.Clock));
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Change(string verb, string description, string done, GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("TASK");
        var command = new Command(verb, description) { id };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            await api.PostAsync($"/api/v1/tasks/{Uri.EscapeDataString(result.GetValue(id)!)}/{verb}", null, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).Done($"{result.GetValue(id)}: {done}.");
            return ExitCode.Ok;
        });
        return command;
    }
}

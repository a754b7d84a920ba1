using System.CommandLine;
using System.Text.Json.Nodes;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary>What can be said to a task while it waits or runs.</summary>
internal static class TaskQueueCommands
{
    public static Command Send(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("TASK");
        var words = new Argument<string>("TEXT") { Description = "What to say; - reads it from stdin" };
        var files = FileArguments.Option();
        var key = Arguments.IdempotencyKey();
        var command = new Command("send", "Say more to a task: into its running turn, or as a follow-up") { id, words, files, key };
        command.Aliases.Add("message");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var text = result.GetValue(words)!;
            if (text == "-")
                text = await context.In.ReadToEndAsync(cancellationToken).ConfigureAwait(false);
            var body = new JsonObject { ["text"] = text }.Put("files", await FileArguments.ReadAsync(result.GetValue(files), cancellationToken).ConfigureAwait(false));
            var receipt = await api.CreateAsync($"{PathOf(result.GetValue(id)!)}/messages", body, result.GetValue(key), cancellationToken).ConfigureAwait(false);
            if (globals.Results(result, context) is { Format: OutputFormat.Json or OutputFormat.Yaml } writer)
                writer.One(receipt, []);
            else
                globals.Results(result, context).Done(receipt.Text("status") == "sent"
                    ? $"{receipt.Text("id")} is on its way into the turn of {receipt.Text("task_id")}."
                    : $"{receipt.Text("id")} follows as task {receipt.Text("task_id")}.");
            return ExitCode.Ok;
        });
        return command;
    }

    public static Command Move(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("TASK");
        var before = new Option<string?>("--before") { Description = "Task of the same queue; default: the end", HelpName = "TASK" };
        var command = new Command("move", "Give a waiting task another place in its session's queue") { id, before };
        command.SetAction((result, cancellationToken) => AnswerAsync(
            globals, context, result, $"{PathOf(result.GetValue(id)!)}/move", new JsonObject().Put("before", result.GetValue(before)), cancellationToken));
        return command;
    }

    public static Command Continue(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("TASK");
        var budget = new BudgetOptions();
        var command = new Command("continue", "Let a task go on that waits for the model, for quota or for a budget") { id };
        budget.AddTo(command);
        command.SetAction((result, cancellationToken) => AnswerAsync(
            globals, context, result, $"{PathOf(result.GetValue(id)!)}/continue", new JsonObject().Put("budget", budget.Body(result)), cancellationToken));
        return command;
    }

    private static async Task<int> AnswerAsync(
        GlobalOptions globals, CliContext context, ParseResult result, string path, JsonObject body, CancellationToken cancellationToken)
    {
        using var api = globals.Api(result, context);
        var task = await api.CreateAsync(path, body, null, cancellationToken).ConfigureAwait(false);
        globals.Results(result, context).One(task, Columns.Task(context.Clock));
        return ExitCode.Ok;
    }

    private static string PathOf(string task) => $"/api/v1/tasks/{Uri.EscapeDataString(task)}";
}

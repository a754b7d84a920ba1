using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette permissions …</c></summary>
internal static class PermissionsCommand
{
    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var command = new Command("permissions", "What agents ask before they do it") { List(globals, context), Approve(globals, context), Deny(globals, context) };
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

    private static Command Approve(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("PERMISSION");
        var reason = new Option<string?>("--reason") { Description = "Why, for the record" };
        var input = new Option<string?>("--input") { Description = "Run it with this input (a JSON object) instead", HelpName = "JSON" };
        var command = new Command("approve", "Allow it") { id, reason, input };
        command.Aliases.Add("allow");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var body = new JsonObject().Put("reason", result.GetValue(reason)).Put("updated_input", ReadInput(result.GetValue(input)));
            await api.PostAsync($"/api/v1/permissions/{Uri.EscapeDataString(result.GetValue(id)!)}/approve", body, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).Done($"{result.GetValue(id)} is approved.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Deny(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("PERMISSION");
        var reason = new Option<string?>("--reason") { Description = "Why; the agent reads it" };
        var interrupt = new Option<bool>("--interrupt") { Description = "Stop the agent's turn as well" };
        var command = new Command("deny", "Refuse it") { id, reason, interrupt };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var body = new JsonObject().Put("reason", result.GetValue(reason)).Put("interrupt", result.GetValue(interrupt) ? true : null);
            await api.PostAsync($"/api/v1/permissions/{Uri.EscapeDataString(result.GetValue(id)!)}/deny", body, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).Done($"{result.GetValue(id)} is denied.");
            return ExitCode.Ok;
        });
        return command;
    }

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

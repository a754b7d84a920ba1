using System.CommandLine;
using System.Text.Json.Nodes;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette usage</c> and <c>marionette budget</c></summary>
internal static class UsageCommands
{
    private static readonly string[] Periods = ["day", "month", "total"];

    public static Command Usage(GlobalOptions globals, CliContext context)
    {
        var from = new Option<string?>("--from") { Description = "Runs that ended at or after this time", HelpName = "TIME" };
        var to = new Option<string?>("--to") { Description = "Runs that ended before this time", HelpName = "TIME" };
        var group = new Option<string>("--by") { Description = "day, session, task, agent, model, or label:KEY", DefaultValueFactory = _ => "day" };
        var session = Arguments.Many("--session", "Only of these sessions");
        var labels = Arguments.Pairs("--labels", "Only of sessions with these labels", "--label");
        var command = new Command("usage", "Tokens, money and time that was used") { from, to, group, session, labels };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var query = new Query("/api/v1/usage").Add("from", result.GetValue(from)).Add("to", result.GetValue(to)).Add("group_by", result.GetValue(group))
                .All("session_id", result.GetValue(session)).Labels(result.GetValue(labels));
            var report = await api.GetAsync(query.ToString(), cancellationToken).ConfigureAwait(false);
            var results = globals.Results(result, context);
            results.List(report, Columns.UsageGroups, "Nothing was used.");
            if (report.Member("total")?.Amount("cost_usd") is { } cost)
                results.Done($"{report.Number("runs")} runs, {Format.Cost(cost)} in all.");
            return ExitCode.Ok;
        });
        return command;
    }

    public static Command Budget(GlobalOptions globals, CliContext context)
    {
        var period = new Option<string?>("--period") { Description = "day, month (default) or total" }.AcceptOnlyFromAmong(Periods);
        var limits = new BudgetOptions();
        var set = new Command("set", "Replace the tenant's budget; without a limit nothing is bounded") { period };
        limits.AddTo(set);
        set.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var body = (limits.Body(result) ?? new JsonObject()).Put("period", result.GetValue(period));
            var budget = await api.PutAsync("/api/v1/budget", body, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(budget, Lines);
            return ExitCode.Ok;
        });
        var get = new Command("get", "Show the tenant's budget and what was used of it");
        get.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            globals.Results(result, context).One(await api.GetAsync("/api/v1/budget", cancellationToken).ConfigureAwait(false), Lines);
            return ExitCode.Ok;
        });
        return new Command("budget", "How much the tenant may use before work pauses and asks") { get, set };
    }

    private static Column[] Lines =>
    [
        new("Budget", item => BudgetOptions.Text(item) ?? "none"), Column.Of("Period", "period"), Column.Of("Since", "since"),
        new("Used", item => item.Member("used") is { } used
            ? $"{Format.Cost(used.Amount("cost_usd") ?? 0)} · {used.Number("input_tokens") ?? 0} tokens in, {used.Number("output_tokens") ?? 0} out"
            : null),
    ];
}

using System.CommandLine;
using System.Text.Json.Nodes;
using Marionette.Cli.Api;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary>Options that choose many open requests instead of one.</summary>
internal sealed class BulkFilter
{
    private readonly Option<string?> session = new("--session") { Description = "All open ones of this session", HelpName = "ID" };
    private readonly Option<string?> task = new("--task") { Description = "All open ones of this task", HelpName = "ID" };
    private readonly Option<string[]> tool = Arguments.Many("--tool", "All open ones of these tools");
    private readonly Option<string[]> category = Arguments.Many("--category", "All open ones of these categories");
    private readonly Option<string[]> risk = Arguments.Many("--risk", "All open ones of these risks");

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { session, task, tool, category, risk })
            command.Options.Add(option);
    }

    /// <summary>The filter; null where one request is named.</summary>
    /// <exception cref="CliException">Both, or neither.</exception>
    public JsonObject? Of(ParseResult result, string? id)
    {
        var filter = new JsonObject().Put("session_id", result.GetValue(session)).Put("task_id", result.GetValue(task)).Put("tool", Arguments.Array(result.GetValue(tool)))
            .Put("category", Arguments.Array(result.GetValue(category))).Put("risk_level", Arguments.Array(result.GetValue(risk)));
        if (id is null == (filter.Count == 0))
            throw new CliException("name one request, or choose many with --session, --task, --tool, --category, --risk", null, ExitCode.Usage);
        return id is null ? filter : null;
    }

    public static Column[] Results { get; } =
    [
        Column.Of("ID", "id"), new("RESULT", item => item.Text("status") ?? item.Text("code")), Column.Of("MESSAGE", "message"),
    ];

    public static async Task<int> DecideAsync(
        ApiClient api, ResultWriter results, JsonObject filter, string decision, string? reason, CancellationToken cancellationToken)
    {
        var body = new JsonObject { ["filter"] = filter, ["decision"] = decision }.Put("reason", reason);
        var answer = await api.CreateAsync("/api/v1/permissions/decide", body, null, cancellationToken).ConfigureAwait(false);
        results.List(answer, Results, "No open request matches.");
        return answer.Items("items").All(item => item.Flag("ok")) ? ExitCode.Ok : ExitCode.Failure;
    }
}

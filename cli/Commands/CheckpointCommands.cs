using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Marionette.Cli.Api;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette sessions checkpoints</c>, <c>restore</c> and <c>fork</c>.</summary>
internal static class CheckpointCommands
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(300);

    public static Command List(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("SESSION");
        var limit = Arguments.Limit();
        var cursor = Arguments.Cursor();
        var command = new Command("checkpoints", "List a session's checkpoints, newest first") { id, limit, cursor };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var query = new Query($"{PathOf(result.GetValue(id)!)}/checkpoints").Add("limit", result.GetValue(limit)).Add("cursor", result.GetValue(cursor));
            var page = await api.GetAsync(query.ToString(), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).List(page, Columns(context.Clock), "No checkpoints.");
            return ExitCode.Ok;
        });
        return command;
    }

    public static Command Restore(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("SESSION");
        var checkpoint = new Argument<string>("CHECKPOINT") { Description = "As 'sessions checkpoints' names it" };
        var discard = new Option<bool>("--discard") { Description = "What its last runner wrote and no checkpoint has may be lost" };
        var command = new Command("restore", "Take a session back to a checkpoint: files, home and conversation. It is suspended first") { id, checkpoint, discard };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var path = PathOf(result.GetValue(id)!);
            await SuspendAsync(api, path, context.Clock, cancellationToken).ConfigureAwait(false);
            var body = new JsonObject { ["checkpoint_id"] = result.GetValue(checkpoint) }.Put("discard", result.GetValue(discard) ? true : null);
            var session = await api.PostAsync($"{path}/restore", body, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(session!.Value, Commands.Columns.Session(context.Clock));
            return ExitCode.Ok;
        });
        return command;
    }

    public static Command Fork(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("SESSION");
        var checkpoint = new Option<string?>("--checkpoint") { Description = "Checkpoint to begin with; default: the session's newest", HelpName = "CHECKPOINT" };
        var name = new Option<string?>("--name") { Description = "A name for people; default: the session's, with (fork)" };
        var provider = new Option<string?>("--provider") { Description = "Provider of its runners; default: the session's" };
        var model = new Option<string?>("--model") { Description = "Model; default: the session's" };
        var apiKey = new Option<string?>("--agent-api-key")
        {
            Description = "Key for the model: keys are never copied. Other users of this machine can see it in the process list: ANTHROPIC_API_KEY is used when a claude session's is not given",
            HelpName = "KEY",
        };
        var env = Arguments.Pairs("--env", "Variables for the agent: they are never copied; --env \"\" = none");
        var count = new Option<int>("--count") { Description = "How many forks, 1 to 100", DefaultValueFactory = _ => 1, HelpName = "N" };
        var command = new Command("fork", "Make new sessions that begin with a checkpoint of this one: files and conversation") { id, checkpoint, name, provider, model, apiKey, env, count };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var forks = result.GetValue(count);
            if (forks is < 1 or > 100) throw new CliException("--count must be from 1 to 100", null, ExitCode.Usage);
            var key = result.GetValue(apiKey);
            if (key is null)
            {
                var source = await api.GetAsync(PathOf(result.GetValue(id)!), cancellationToken).ConfigureAwait(false);
                if (source.Text("agent") == "claude" && source.Text("agent_config_id") is null) key = context.Variable("ANTHROPIC_API_KEY");
            }

            var from = new JsonObject { [result.GetValue(checkpoint) is null ? "session_id" : "checkpoint_id"] = result.GetValue(checkpoint) ?? result.GetValue(id) };
            for (var i = 0; i < forks; i++)
            {
                var body = new JsonObject { ["from"] = from.DeepClone() }.Put("name", result.GetValue(name)).Put("provider", result.GetValue(provider))
                    .Put("model", result.GetValue(model)).Put("api_key", key).Put("env", Arguments.Map(result.GetValue(env), "--env"));
                var session = await api.CreateAsync("/api/v1/sessions", body, null, cancellationToken).ConfigureAwait(false);
                globals.Results(result, context).One(session, Commands.Columns.Session(context.Clock));
            }

            return ExitCode.Ok;
        });
        return command;
    }

    /// <summary>Suspends a session that has a runner, and waits until it has none.</summary>
    private static async Task SuspendAsync(ApiClient api, string path, TimeProvider clock, CancellationToken cancellationToken)
    {
        var session = await api.GetAsync(path, cancellationToken).ConfigureAwait(false);
        if (IsFree(session)) return;
        await api.PostAsync($"{path}/suspend", new JsonObject { ["strategy"] = "release" }, cancellationToken).ConfigureAwait(false);
        while (!IsFree(await api.GetAsync(path, cancellationToken).ConfigureAwait(false)))
            await Task.Delay(Pause, clock, cancellationToken).ConfigureAwait(false);
    }

    private static bool IsFree(JsonElement session) => session.Text("runner_id") is null;

    private static Column[] Columns(TimeProvider clock) =>
    [
        Column.Of("ID", "id"), Commands.Columns.Age("AGE", "created_at", clock), Column.Of("REASON", "reason"), Column.Of("SEQ", "seq"), Column.Of("FILES", "files"),
        new("SIZE", item => Format.Size(item.Number("bytes") ?? 0)), new("STORED", item => Format.Size(item.Number("bytes_stored") ?? 0)),
        Column.Of("WORKSPACE", "workspace"), Column.Of("HOME", "home", wide: true), Column.Of("RUN", "run_id", wide: true),
    ];

    private static string PathOf(string id) => $"/api/v1/sessions/{Uri.EscapeDataString(id)}";
}

using System.CommandLine;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette sessions …</c></summary>
internal static class SessionsCommand
{
    private static readonly string[] Lifecycles = ["on_demand", "persistent"];
    private static readonly string[] SuspendStrategies = ["release", "pause"];
    private static readonly string[] PermissionModes = ["default", "acceptEdits", "plan", "bypassPermissions"];

    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var command = new Command("sessions", "Long-lived work: a runner, a workspace and a conversation")
        {
            CreateSession(globals, context),
            List(globals, context),
            Get(globals, context),
            AttachCommand.Create(globals, context),
            Suspend(globals, context),
            Resume(globals, context),
            Terminate(globals, context),
            ExportCommand.Create(globals, context),
            CheckpointCommands.List(globals, context),
            CheckpointCommands.Restore(globals, context),
            CheckpointCommands.Fork(globals, context),
            SessionChange.Create(globals, context),
            SessionChange.Allow(globals, context),
            SessionChange.Move(globals, context),
            SessionChange.Extend(globals, context),
        };
        command.Aliases.Add("session");
        command.Aliases.Add("sess");
        return command;
    }

    private static Command CreateSession(GlobalOptions globals, CliContext context)
    {
        var options = new SessionOptions();
        var name = new Option<string?>("--name") { Description = "A name for people" };
        var lifecycle = new Option<string?>("--lifecycle") { Description = "on_demand (default) or persistent" }.AcceptOnlyFromAmong(Lifecycles);
        var idle = new Option<int?>("--idle-timeout") { Description = "Suspend after this many seconds without work", HelpName = "SECONDS" };
        var strategy = new Option<string?>("--suspend-strategy") { Description = "What becomes of its runner when it is suspended: release (default), or pause, which keeps its memory for a while" }
            .AcceptOnlyFromAmong(SuspendStrategies);
        var permissionMode = new Option<string?>("--permission-mode") { Description = "What the agent asks about" }.AcceptOnlyFromAmong(PermissionModes);
        var permissionTimeout = new Option<int?>("--permission-timeout") { Description = "A question without an answer expires after this many seconds (1800)", HelpName = "SECONDS" };
        var workspace = new Option<string?>("--workspace") { Description = "Workspace to work in, ws_…; default: a new one" };
        var snapshot = new Option<string?>("--snapshot") { Description = "Snapshot that a new workspace begins with, snap_…", HelpName = "SNAPSHOT" };
        var git = new Option<string?>("--git") { Description = "Repository that a new workspace is cloned from; MARIONETTE_GIT_SECRET holds its token or password, if it needs one", HelpName = "URL" };
        var gitRef = new Option<string?>("--git-ref") { Description = "Branch, tag or full commit; default: the server's HEAD", HelpName = "REF" };
        var gitDepth = new Option<int?>("--git-depth") { Description = "Commits of history; 0 = all; default 1", HelpName = "N" };
        var raw = new Option<bool>("--include-raw") { Description = "Keep the agent's own lines beside the typed events" };
        var budget = new BudgetOptions();
        var autoContinue = new Option<bool>("--auto-continue") { Description = "Tasks that wait for quota go on by themselves when it is there again" };
        var ttl = new Option<string?>("--ttl") { Description = "How long it lives: 90m, 12h, 7d; default: until somebody ends it", HelpName = "SPAN" };
        var failover = SessionChange.Failover("What becomes of a run whose runner is lost: at_once (default), ask, never");
        var recording = new Option<string?>("--recording") { Description = "With --agent replay: an exported session to play, at most 1 MiB", HelpName = "FILE" };
        var speed = new Option<double?>("--speed") { Description = "With --recording: 1 as it was, 2 twice as fast, 0 without pauses", HelpName = "N" };
        var key = Arguments.IdempotencyKey();
        var words = new Argument<string[]>("COMMAND") { Description = "With --agent command: the program and its arguments, after --", Arity = ArgumentArity.ZeroOrMore };
        var command = new Command("create", "Create a session")
        {
            name, lifecycle, idle, strategy, permissionMode, permissionTimeout, workspace, snapshot, git, gitRef, gitDepth, raw, autoContinue, ttl, failover, recording, speed, key, words,
        };
        options.AddTo(command);
        budget.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var body = options.Body(result, context)
                .Put("name", result.GetValue(name))
                .Put("lifecycle_mode", result.GetValue(lifecycle))
                .Put("idle_timeout_seconds", result.GetValue(idle))
                .Put("suspend_strategy", result.GetValue(strategy))
                .Put("permission_mode", result.GetValue(permissionMode))
                .Put("permission_timeout_seconds", result.GetValue(permissionTimeout))
                .Put("workspace_id", result.GetValue(workspace))
                .Put("from", From(result.GetValue(snapshot), result.GetValue(git), result.GetValue(gitRef), result.GetValue(gitDepth), context))
                .Put("include_raw", result.GetValue(raw) ? true : null)
                .Put("budget", budget.Body(result))
                .Put("auto_continue", result.GetValue(autoContinue) ? true : null)
                .Put("ttl_seconds", Arguments.Seconds(result.GetValue(ttl), "--ttl"))
                .Put("failover_policy", result.GetValue(failover))
                .Put("command", Arguments.Array(result.GetValue(words)));
            if (result.GetValue(recording) is { } played)
            {
                body["options"] = new System.Text.Json.Nodes.JsonObject
                    { ["recording"] = await File.ReadAllTextAsync(played, cancellationToken).ConfigureAwait(false) }
                    .Put("speed", result.GetValue(speed));
            }

            var session = await api.CreateAsync("/api/v1/sessions", body, result.GetValue(key), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(session, Columns.Session(context.Clock));
            return ExitCode.Ok;
        });
        return command;
    }

    /// <summary>What a new workspace begins with; null = nothing.</summary>
    private static System.Text.Json.Nodes.JsonObject? From(string? snapshot, string? git, string? gitRef, int? gitDepth, CliContext context)
    {
        if (git is null && (gitRef is not null || gitDepth is not null))
            throw new CliException("--git-ref and --git-depth go with --git", null, ExitCode.Usage);
        if (git is null && snapshot is null)
            return null;
        var from = new System.Text.Json.Nodes.JsonObject().Put("snapshot_id", snapshot);
        if (git is not null)
        {
            from["git"] = new System.Text.Json.Nodes.JsonObject { ["url"] = git }.Put("ref", gitRef).Put("depth", gitDepth).Put("secret", context.Variable("MARIONETTE_GIT_SECRET"));
        }

        return from;
    }

    private static Command List(GlobalOptions globals, CliContext context)
    {
        var status = Arguments.Many("--status", "pending, active, suspended, resuming, terminated, failed");
        var agent = Arguments.Many("--agent", "claude, command, …");
        var labels = Arguments.Pairs("--labels", "Only sessions with these labels", "--label");
        var limit = Arguments.Limit();
        var cursor = Arguments.Cursor();
        var command = new Command("list", "List sessions, newest first") { status, agent, labels, limit, cursor };
        command.Aliases.Add("ls");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var query = new Query("/api/v1/sessions").All("status", result.GetValue(status)).All("agent", result.GetValue(agent))
                .Labels(result.GetValue(labels)).Add("limit", result.GetValue(limit)).Add("cursor", result.GetValue(cursor));
            var page = await api.GetAsync(query.ToString(), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).List(page, Columns.Sessions(context.Clock), "No sessions.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Get(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("SESSION");
        var command = new Command("get", "Show one session") { id };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var session = await api.GetAsync(PathOf(result.GetValue(id)!), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(session, Columns.Session(context.Clock));
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Suspend(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("SESSION");
        var strategy = new Option<string?>("--strategy") { Description = "release gives the runner back, pause keeps its memory for a while; default: as the session was created" }
            .AcceptOnlyFromAmong(SuspendStrategies);
        var command = new Command("suspend", "Release or pause the runner; conversation and workspace stay") { id, strategy };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var body = result.GetValue(strategy) is { } chosen ? new System.Text.Json.Nodes.JsonObject { ["strategy"] = chosen } : null;
            await api.PostAsync($"{PathOf(result.GetValue(id)!)}/suspend", body, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).Done($"{result.GetValue(id)} is being suspended; 'marionette sessions get' shows when it is.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Resume(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("SESSION");
        var command = new Command("resume", "Bring a suspended session back on a runner") { id };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            await api.PostAsync($"{PathOf(result.GetValue(id)!)}/resume", null, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).Done($"{result.GetValue(id)} is being resumed; 'marionette sessions get' shows when it is.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Terminate(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("SESSION");
        var command = new Command("terminate", "End a session for good") { id };
        command.Aliases.Add("delete");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            await api.DeleteAsync(PathOf(result.GetValue(id)!), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).Done($"{result.GetValue(id)} is terminated.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static string PathOf(string id) => $"/api/v1/sessions/{Uri.EscapeDataString(id)}";
}

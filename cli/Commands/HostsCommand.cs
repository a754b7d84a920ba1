using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette hosts …</c>: the machines of the pools.</summary>
internal static class HostsCommand
{
    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var reason = new Option<string?>("--reason") { Description = "What is wrong with it", Required = true };
        var command = new Command("hosts", "The machines of the pools")
        {
            List(globals, context),
            Show(globals, context),
            Change("drain", "No new runners; those it has go on", [], _ => new JsonObject { ["draining"] = true }, "takes no new runners", globals, context),
            Change("undrain", "Takes runners again", [], _ => new JsonObject { ["draining"] = false }, "is not drained any more", globals, context),
            Change("taint", "Hold it off because something is wrong with it", [reason],
                result => new JsonObject { ["taint"] = result.GetValue(reason) }, "is tainted", globals, context),
            Change("untaint", "What was wrong is mended", [], _ => new JsonObject { ["taint"] = null }, "is not tainted any more", globals, context),
            Remove(globals, context),
        };
        command.Aliases.Add("host");
        return command;
    }

    private static Command List(GlobalOptions globals, CliContext context)
    {
        var pool = HostPlace.Pool();
        var command = new Command("list", "List the hosts of the pools, newest first in each") { pool };
        command.Aliases.Add("ls");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var hosts = new JsonArray();
            foreach (var name in await HostPlace.PoolsAsync(api, result.GetValue(pool), cancellationToken).ConfigureAwait(false))
                await HostPlace.AddAllAsync(hosts, name, api, cancellationToken).ConfigureAwait(false);
            var page = JsonText.ToElement(new JsonObject { ["items"] = hosts, ["has_more"] = false, ["total_count"] = hosts.Count });
            globals.Results(result, context).List(page, Many(context.Clock), "No hosts.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Show(GlobalOptions globals, CliContext context)
    {
        var (id, pool) = (Arguments.Id("HOST"), HostPlace.Pool());
        var command = new Command("show", "Show one host: what it has, what runners hold of it, what works there") { id, pool };
        command.Aliases.Add("get");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var (_, host) = await HostPlace.FindAsync(api, result.GetValue(id)!, result.GetValue(pool), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(host, One(context.Clock));
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Change(
        string name, string description, Option[] options, Func<ParseResult, JsonObject> bodyOf, string done, GlobalOptions globals, CliContext context)
    {
        var (id, pool) = (Arguments.Id("HOST"), HostPlace.Pool());
        var command = new Command(name, description) { id, pool };
        foreach (var option in options)
            command.Options.Add(option);
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var (path, _) = await HostPlace.FindAsync(api, result.GetValue(id)!, result.GetValue(pool), cancellationToken).ConfigureAwait(false);
            var changed = await api.PatchAsync(path, bodyOf(result), cancellationToken).ConfigureAwait(false);
            var results = globals.Results(result, context);
            if (results.Format.IsForPeople())
                results.Done($"{result.GetValue(id)} {done}.");
            else
                results.One(changed, []);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Remove(GlobalOptions globals, CliContext context)
    {
        var (id, pool) = (Arguments.Id("HOST"), HostPlace.Pool());
        var force = new Option<bool>("--force") { Description = "Although it has runners: they are lost" };
        var command = new Command("remove", "Remove a host for good") { id, pool, force };
        command.Aliases.Add("delete");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var (path, _) = await HostPlace.FindAsync(api, result.GetValue(id)!, result.GetValue(pool), cancellationToken).ConfigureAwait(false);
            await api.DeleteAsync(result.GetValue(force) ? $"{path}?force=true" : path, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).Done($"{result.GetValue(id)} is removed.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Column[] Many(TimeProvider clock) =>
    [
        Column.Of("ID", "id"), Column.Of("POOL", "pool"), Column.Of("NAME", "name"), new("STATUS", Status), Column.Of("RUNNERS", "runners"),
        new("CPUS", item => $"{item.Text("cpus_held")} of {item.Text("cpus")}"), new("MEMORY", item => Held(item, "memory")), Columns.Age("SEEN", "last_seen_at", clock),
        new("DISK", item => Held(item, "disk"), Wide: true), new("SANDBOXES", item => Sandboxes(item, full: false), Wide: true),
            new("LABELS", Columns.Labels, Wide: true),
        Column.Of("VERSION", "version", wide: true), Column.Of("TAINT", "taint", wide: true),
    ];

    private static Column[] One(TimeProvider clock) =>
    [
        Column.Of("ID", "id"), Column.Of("Name", "name"), Column.Of("Pool", "pool"), new("Status", Status), Column.Of("Taint", "taint"),
        new("Tenants", item => Columns.Words(item, "tenants") is { Length: > 0 } some ? some : "all"), new("Labels", Columns.Labels),
            Column.Of("System", "system"),
        Column.Of("Agent", "version"), Column.Of("Runners", "runners"), new("CPUs", item => $"{item.Text("cpus_held")} of {item.Text("cpus")} held"),
        new("Memory", item => $"{Held(item, "memory")} held"), new("Disk", item => $"{Held(item, "disk")} held"), new("Load", Load),
        new("Sandboxes", item => Sandboxes(item, full: true)),
        new("Programs", item => string.Join(", ", item.Items("agents").Select(agent => $"{agent.Text("program")} {agent.Text("version")}".TrimEnd()))),
        new("Workspaces", item => Columns.Words(item, "workspaces")), Columns.Age("Joined", "created_at", clock, " ago"),
            Columns.Age("Last seen", "last_seen_at", clock, " ago"),
    ];

    private static string? Status(JsonElement item) =>
        Columns.Join(item.Text("status"), item.Flag("draining") ? "draining" : null, item.Text("taint") is null ? null : "tainted");

    private static string Held(JsonElement item, string what) =>
        $"{RunnersCommand.Mib(item.Number($"{what}_held_mib") ?? 0)} of {RunnersCommand.Mib(item.Number($"{what}_mib") ?? 0)}";

    private static string? Load(JsonElement item) => item.Member("load") is { } load
        ? $"{(int)Math.Round((load.Amount("cpu") ?? 0) * 100)} % of the cores, {RunnersCommand.Mib(load.Number("memory_used_mib") ?? 0)} memory used, {RunnersCommand.Mib(load.Number("disk_free_mib") ?? 0)} disk free"
        : null;

    private static string Sandboxes(JsonElement item, bool full) =>
        string.Join(full ? "; " : " ", item.Items("sandboxes").Where(each => full || each.Flag("works")).Select(sandbox =>
        !full ? sandbox.Text("kind")
        : sandbox.Flag("works")
            ? Columns.Join(
                $"{sandbox.Text("kind")}: limits {Columns.Words(sandbox, "limits")}", sandbox.Flag("egress") ? "network policy" : null,
                sandbox.Flag("pause") ? "pause" : null, sandbox.Text("detail"))
            : $"{sandbox.Text("kind")} does not work: {sandbox.Text("detail")}"));
}

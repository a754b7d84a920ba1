using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Marionette.Cli.Api;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette snapshots …</c>. Where a snapshot is asked for, a session's id stands for its newest workspace.</summary>
internal static class SnapshotsCommand
{
    private const string Path = "/api/v1/snapshots";

    private const string Which = "snap_…, or a session for its newest workspace";

    private static readonly Column[] One =
    [
        Column.Of("ID", "id"), Column.Of("Name", "name"), Column.Of("Session", "session_id"), Column.Of("Part", "part"), Column.Of("Parent", "parent"),
        new("Kept", item => item.Flag("is_kept") ? "yes" : "no"), Column.Of("Files", "files"), Column.Of("Folders", "directories"), Column.Of("Links", "links"),
        new("Size", item => Format.Size(item.Number("bytes") ?? 0)),
    ];

    private static readonly Column[] Files =
    [
        Column.Of("MODE", "mode"), new("SIZE", item => item.Number("size") is { } size ? Format.Size(size) : null), Column.Of("MODIFIED", "modified_at"),
        new("PATH", item => $"{item.Text("path")}{(item.Text("type") == "directory" ? "/" : "")}{(item.Text("target") is { } target ? $" -> {target}" : "")}"),
    ];

    private static readonly Column[] Changes =
    [
        Column.Of("CHANGE", "change"), Column.Of("PATH", "path"), new("BEFORE", item => SizeOf(item.Member("before"))), new("AFTER", item => SizeOf(item.Member("after"))),
    ];

    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var verbs = new Verbs(Path, "snapshot", globals, context);
        var command = new Command("snapshots", "Stored files of sessions, with or without a runner")
        {
            verbs.List(Many(context.Clock), [("session_id", Arguments.Many("--session", "Of these sessions")), ("part", Arguments.Many("--part", "workspace, home, upload"))]),
            verbs.Get(One),
            FilesOf(globals, context),
            Cat(globals, context),
            Diff(globals, context),
            Download(globals, context),
            Upload(globals, context),
            Change(globals, context),
            verbs.Delete("Delete a snapshot that no session goes on from"),
        };
        command.Aliases.Add("snapshot");
        return command;
    }

    private static Column[] Many(TimeProvider clock) =>
    [
        Column.Of("ID", "id"), Columns.Age("AGE", "created_at", clock), Column.Of("PART", "part"), Column.Of("SESSION", "session_id"), Column.Of("FILES", "files"),
        new("SIZE", item => Format.Size(item.Number("bytes") ?? 0)), new("KEPT", item => item.Flag("is_kept") ? "yes" : ""), Column.Of("NAME", "name"), Column.Of("PARENT", "parent", wide: true),
    ];

    private static Command FilesOf(GlobalOptions globals, CliContext context)
    {
        var (id, path) = (Snapshot(), new Argument<string?>("PATH") { Description = "Folder; default: the root", Arity = ArgumentArity.ZeroOrOne });
        var cursor = Arguments.Cursor();
        var command = new Command("files", "What is in a folder of it") { id, path, cursor };
        command.Aliases.Add("ls-files");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var query = new Query($"{await PathOfAsync(api, result.GetValue(id)!, cancellationToken).ConfigureAwait(false)}/files").Add("path", result.GetValue(path)).Add("cursor", result.GetValue(cursor));
            globals.Results(result, context).List(await api.GetAsync(query.ToString(), cancellationToken).ConfigureAwait(false), Files, "An empty folder.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Cat(GlobalOptions globals, CliContext context)
    {
        var (id, path) = (Snapshot(), new Argument<string>("PATH") { Description = "The file" });
        var command = new Command("cat", "Write a file of it to standard output") { id, path };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var query = new Query($"{await PathOfAsync(api, result.GetValue(id)!, cancellationToken).ConfigureAwait(false)}/content").Add("path", result.GetValue(path));
            await using var output = Console.OpenStandardOutput();
            await api.DownloadAsync(query.ToString(), output, cancellationToken).ConfigureAwait(false);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Diff(GlobalOptions globals, CliContext context)
    {
        var (before, after) = (Snapshot("BEFORE"), Snapshot("AFTER"));
        var limit = new Option<int>("--limit") { Description = "Differences, 1 to 10000", DefaultValueFactory = _ => 1000, HelpName = "N" };
        var command = new Command("diff", "What changed from one to another; two forks compare like that, too") { before, after, limit };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var from = await IdOfAsync(api, result.GetValue(before)!, cancellationToken).ConfigureAwait(false);
            var query = new Query($"{await PathOfAsync(api, result.GetValue(after)!, cancellationToken).ConfigureAwait(false)}/diff").Add("base", from).Add("limit", result.GetValue(limit));
            globals.Results(result, context).List(await api.GetAsync(query.ToString(), cancellationToken).ConfigureAwait(false), Changes, "No differences.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Download(GlobalOptions globals, CliContext context)
    {
        var id = Snapshot();
        var path = new Option<string?>("--path") { Description = "A folder or file of it; default: all", HelpName = "PATH" };
        var file = new Option<string?>("--file", "-f") { Description = "Archive to write, FILE.tar or FILE.tar.gz; default: a tar on standard output", HelpName = "FILE" };
        var folder = new Option<string?>("--to") { Description = "Folder to unpack into, with the tar of this machine; it must be empty or absent", HelpName = "DIR" };
        var command = new Command("download", "Fetch its files") { id, path, file, folder };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var (target, into) = (result.GetValue(file), result.GetValue(folder));
            if (target is not null && into is not null) throw new CliException("--file and --to do not go together", null, ExitCode.Usage);
            var packed = target is not null && (target.EndsWith(".gz", StringComparison.Ordinal) || target.EndsWith(".tgz", StringComparison.Ordinal));
            var query = new Query($"{await PathOfAsync(api, result.GetValue(id)!, cancellationToken).ConfigureAwait(false)}/archive")
                .Add("path", result.GetValue(path)).Add("format", packed ? "tar.gz" : "tar").ToString();
            if (into is not null)
            {
                await Unpacking.RunAsync(into, tar => api.DownloadAsync(query, tar, cancellationToken), cancellationToken).ConfigureAwait(false);
                globals.Results(result, context).Done($"Unpacked into {into}.");
            }
            else if (target is not null)
            {
                // Whole or not at all.
                var partial = target + ".part";
                await using (var output = File.Create(partial))
                    await api.DownloadAsync(query, output, cancellationToken).ConfigureAwait(false);
                File.Move(partial, target, overwrite: true);
                globals.Results(result, context).Done($"{target} has it.");
            }
            else
            {
                await using var output = Console.OpenStandardOutput();
                await api.DownloadAsync(query, output, cancellationToken).ConfigureAwait(false);
            }

            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Upload(GlobalOptions globals, CliContext context)
    {
        var file = new Argument<string>("FILE") { Description = "tar, tar.gz, tar.zst or zip; - = standard input" };
        var name = new Option<string?>("--name") { Description = "A name for people" };
        var strip = new Option<int?>("--strip") { Description = "Folders to leave out at the front of every path", HelpName = "N" };
        var command = new Command("upload", "Store an archive's files as a snapshot, for 'sessions create --snapshot'") { file, name, strip };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var query = new Query(Path).Add("name", result.GetValue(name)).Add("strip", result.GetValue(strip)?.ToString(System.Globalization.CultureInfo.InvariantCulture));
            await using var content = result.GetValue(file) is "-" ? Console.OpenStandardInput() : File.OpenRead(result.GetValue(file)!);
            globals.Results(result, context).One(await api.UploadAsync(query.ToString(), content, cancellationToken).ConfigureAwait(false), One);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Change(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("ID");
        var name = new Option<string?>("--name") { Description = "A name for people; \"\" takes it away" };
        var keep = new Option<bool?>("--keep") { Description = "true: no rule of retention takes it away" };
        var command = new Command("change", "Name it, or keep it from rules of retention") { id, name, keep };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var body = new JsonObject().Put("name", result.GetValue(name)).Put("is_kept", result.GetValue(keep));
            var changed = await api.PatchAsync($"{Path}/{Uri.EscapeDataString(result.GetValue(id)!)}", body, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(changed, One);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Argument<string> Snapshot(string name = "SNAPSHOT") => new(name) { Description = Which };

    private static async Task<string> PathOfAsync(ApiClient api, string id, CancellationToken cancellationToken) =>
        $"{Path}/{Uri.EscapeDataString(await IdOfAsync(api, id, cancellationToken).ConfigureAwait(false))}";

    private static async Task<string> IdOfAsync(ApiClient api, string id, CancellationToken cancellationToken)
    {
        if (!id.StartsWith("sess_", StringComparison.Ordinal)) return id;
        var session = await api.GetAsync($"/api/v1/sessions/{Uri.EscapeDataString(id)}", cancellationToken).ConfigureAwait(false);
        return session.Member("recovery_point")?.Text("workspace") ?? throw new CliException($"{id} has no checkpoint yet", "One is made after each run.");
    }

    private static string? SizeOf(JsonElement? file) => file?.Number("size") is { } size ? Format.Size(size) : null;
}

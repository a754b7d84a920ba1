using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette profiles …</c></summary>
internal static class ProfilesCommand
{
    private const string Path = "/api/v1/profiles";

    private static readonly Column[] One =
    [
        Column.Of("ID", "id"), Column.Of("Name", "name"), Column.Of("Description", "description"), Column.Of("Provider", "provider"), Column.Of("Image", "image"),
        new("Size", RunnersCommand.SizeOf), Column.Of("Sandbox", "sandbox"), new("Environment", item => Pairs(item, "env")), Column.Of("Init script", "init_script"),
        new("Network", item => Columns.Join(item.Text("network_policy"), Columns.Words(item, "allowed_hosts"))), new("Labels", Columns.Labels),
        new("Host labels", item => Pairs(item, "host_labels")),
    ];

    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var verbs = new Verbs(Path, "profile", globals, context);
        var command = new Command("profiles", "Sizes and makes of runners, for --profile")
        {
            Make(globals, context),
            verbs.List(Many(context.Clock), [], Arguments.LabelFilter("profiles")),
            verbs.Get(One),
            Update(verbs, globals, context),
            verbs.Delete("Remove a profile that nothing uses"),
        };
        command.Aliases.Add("profile");
        return command;
    }

    private static Column[] Many(TimeProvider clock) =>
    [
        Column.Of("ID", "id"), Column.Of("NAME", "name"), Column.Of("PROVIDER", "provider"), Column.Of("CPUS", "cpus"), Column.Of("MEMORY MIB", "memory_mib"),
        Column.Of("IMAGE", "image"), Column.Of("NETWORK", "network_policy"), Columns.Age("AGE", "created_at", clock),
        Column.Of("DISK MIB", "disk_mib", wide: true), Column.Of("PIDS", "pids", wide: true), Column.Of("SANDBOX", "sandbox", wide: true),
        new("HOSTS", item => Columns.Words(item, "allowed_hosts"), Wide: true), new("HOST LABELS", item => Pairs(item, "host_labels"), Wide: true),
    ];

    private static Command Make(GlobalOptions globals, CliContext context)
    {
        var options = new ProfileOptions();
        var key = Arguments.IdempotencyKey();
        var command = new Command("create", "Make a profile; what is not said is the default") { key };
        options.AddTo(command);
        options.Name.Required = true;
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var body = await options.BodyAsync(result, context, cancellationToken).ConfigureAwait(false);
            var made = await api.CreateAsync(Path, body, result.GetValue(key), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(made, One);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Update(Verbs verbs, GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("ID");
        var options = new ProfileOptions();
        var command = new Command("update", "Change what the options name; \"\" unsets. Runners have it from their next start on") { id };
        options.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var body = await options.BodyAsync(result, context, cancellationToken).ConfigureAwait(false);
            if (body.Count == 0)
                throw new CliException("nothing to change", "'marionette profiles update --help' lists the options.", ExitCode.Usage);
            var changed = await api.PatchAsync(verbs.PathOf(result.GetValue(id)!), body, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(changed, One);
            return ExitCode.Ok;
        });
        return command;
    }

    private static string? Pairs(JsonElement item, string member) => item.Member(member) is { ValueKind: JsonValueKind.Object } map
        ? string.Join(" ", map.EnumerateObject().Select(pair => $"{pair.Name}={pair.Value}"))
        : null;
}

/// <summary>What a profile may say, as options.</summary>
internal sealed class ProfileOptions
{
    private readonly Option<string?> description = new("--description") { Description = "More about it" };
    private readonly Option<string?> provider = new("--provider") { Description = "Backend of sessions that name none", HelpName = "NAME" };
    private readonly Option<string?> image = new("--image") { Description = "Image, where the backend runs containers" };
    private readonly Option<double?> cpus = new("--cpus") { Description = "Cores (2)", HelpName = "N" };
    private readonly Option<int?> memory = new("--memory-mib") { Description = "Memory (4096)", HelpName = "MIB" };
    private readonly Option<int?> disk = new("--disk-mib") { Description = "Files that it may write (10240); 0 = no limit", HelpName = "MIB" };
    private readonly Option<int?> pids = new("--pids") { Description = "Processes and threads (2048)", HelpName = "N" };
    private readonly Option<string?> sandbox = new Option<string?>("--sandbox") { Description = "The strongest that works there (auto), or this one" }
        .AcceptOnlyFromAmong("auto", "runc", "runsc", "bwrap");
    private readonly Option<string[]> env = Arguments.Pairs("--env", "Environment of everything in the runner: all of it. It is shown: no secrets");
    private readonly Option<string?> script = new("--init-script-file") { Description = "A file with a shell script to run before the first task; - is stdin", HelpName = "FILE" };
    private readonly Option<string?> policy = Policy();
    private readonly Option<string[]> hosts = PlacementOptions.AllowedHosts("A host that sessions without a policy of their own may reach: all of them");
    private readonly Option<string[]> labels = Arguments.Pairs("--labels", "Labels: all of them", "--label");
    private readonly Option<string[]> hostLabels = Arguments.Pairs("--host-labels", "Labels that a pool's host must have: all of them", "--host-label");

    public Option<string?> Name { get; } = new("--name") { Description = "A name for people" };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { Name, description, provider, image, cpus, memory, disk, pids, sandbox, env, script, policy, hosts, labels, hostLabels })
            command.Options.Add(option);
    }

    /// <exception cref="IOException">The script cannot be read.</exception>
    public async Task<JsonObject> BodyAsync(ParseResult result, CliContext context, CancellationToken cancellationToken) => new JsonObject()
        .Put("name", result.GetValue(Name)).Put("description", result.GetValue(description)).Put("provider", result.GetValue(provider))
        .Put("image", result.GetValue(image)).Put("cpus", result.GetValue(cpus)).Put("memory_mib", result.GetValue(memory))
        .Put("disk_mib", result.GetValue(disk)).Put("pids", result.GetValue(pids)).Put("sandbox", result.GetValue(sandbox))
        .Put("env", Arguments.Map(result.GetValue(env), "--env"))
        .Put("init_script", await ScriptAsync(result.GetValue(script), context, cancellationToken).ConfigureAwait(false))
        .Put("network_policy", result.GetValue(policy)).Put("allowed_hosts", Arguments.Whole(result, hosts))
        .Put("labels", Arguments.Map(result.GetValue(labels), "--labels"))
        .Put("host_labels", Arguments.Map(result.GetValue(hostLabels), "--host-labels"));

    // Not checked here: "" has to pass, and the server names what may stand there.
    private static Option<string?> Policy()
    {
        var option = new Option<string?>("--network-policy") { Description = "What sessions that name none may reach: open, allow_list, deny" };
        option.CompletionSources.Add("open", "allow_list", "deny");
        return option;
    }

    private static async Task<string?> ScriptAsync(string? file, CliContext context, CancellationToken cancellationToken) => file switch
    {
        null or "" => file,
        "-" => await context.In.ReadToEndAsync(cancellationToken).ConfigureAwait(false),
        _ => await File.ReadAllTextAsync(file, cancellationToken).ConfigureAwait(false),
    };
}

using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette pools …</c>: pools of hosts, and the tokens by which hosts join them.</summary>
internal static class PoolsCommand
{
    public const string Path = "/api/v1/pools";

    /// <summary>Where runners and hosts dial in, unless the server was told another port.</summary>
    private const int UsualGrpcPort = 9090;

    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var command = new Command("pools", "Pools of hosts: machines of yours on which runners live")
        {
            List(globals, context), Show(globals, context), Tokens(globals, context),
        };
        command.Aliases.Add("pool");
        command.SetAction((result, cancellationToken) => ListAsync(result, globals, context, cancellationToken));
        return command;
    }

    public static string PathOf(string pool) => $"{Path}/{Uri.EscapeDataString(pool)}";

    private static Column[] Many =>
    [
        Column.Of("NAME", "name"), new("HOSTS", item => $"{item.Text("online")} of {item.Text("hosts")} online"), Column.Of("RUNNERS", "runners"),
        new("CPUS", item => $"{item.Text("cpus_held")} of {item.Text("cpus")}"), new("MEMORY", Memory), new("TENANTS", Tenants, Wide: true),
    ];

    private static Column[] One =>
    [
        Column.Of("Name", "name"), new("Hosts", item => $"{item.Text("hosts")}, {item.Text("online")} online"), Column.Of("Runners", "runners"),
        new("CPUs", item => $"{item.Text("cpus_held")} of {item.Text("cpus")} held"), new("Memory", item => $"{Memory(item)} held"), new("Tenants", Tenants),
    ];

    private static Command List(GlobalOptions globals, CliContext context)
    {
        var command = new Command("list", "List the pools, in order of their names");
        command.Aliases.Add("ls");
        command.SetAction((result, cancellationToken) => ListAsync(result, globals, context, cancellationToken));
        return command;
    }

    private static async Task<int> ListAsync(ParseResult result, GlobalOptions globals, CliContext context, CancellationToken cancellationToken)
    {
        using var api = globals.Api(result, context);
        var found = await api.GetAsync(Path, cancellationToken).ConfigureAwait(false);
        globals.Results(result, context).List(found, Many, "No pools.");
        return ExitCode.Ok;
    }

    private static Command Show(GlobalOptions globals, CliContext context)
    {
        var pool = Arguments.Id("POOL");
        var command = new Command("show", "Show one pool: its hosts and what runners hold of them, in sums") { pool };
        command.Aliases.Add("get");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var found = await api.GetAsync(PathOf(result.GetValue(pool)!), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(found, One);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Tokens(GlobalOptions globals, CliContext context)
    {
        var command = new Command("tokens", "Join tokens: a host needs one once, to join")
        {
            ListTokens(globals, context), CreateToken(globals, context), RevokeToken(globals, context),
        };
        command.Aliases.Add("token");
        return command;
    }

    private static Command ListTokens(GlobalOptions globals, CliContext context)
    {
        var pool = Arguments.Id("POOL");
        var limit = Arguments.Limit();
        var cursor = Arguments.Cursor();
        var command = new Command("list", "List join tokens, newest first") { pool, limit, cursor };
        command.Aliases.Add("ls");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var query = new Query($"{PathOf(result.GetValue(pool)!)}/tokens").Add("limit", result.GetValue(limit)).Add("cursor", result.GetValue(cursor));
            var page = await api.GetAsync(query.ToString(), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).List(page, TokenColumns(context.Clock), "No join tokens.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command CreateToken(GlobalOptions globals, CliContext context)
    {
        var pool = Arguments.Id("POOL");
        var name = new Option<string?>("--name") { Description = "What it is for", Required = true };
        var tenants = Arguments.Many("--tenants", "Tenants that its hosts may serve (every tenant)");
        var expires = new Option<string?>("--expires") { Description = "A time (2027-01-31T00:00:00Z) or a span from now: 12h, 30d", HelpName = "WHEN" };
        var hosts = new Option<int?>("--max-hosts") { Description = "Hosts that may join by it (any number)", HelpName = "N" };
        var key = Arguments.IdempotencyKey();
        var command = new Command("create", "Make a join token; it is shown once") { pool, name, tenants, expires, hosts, key };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var body = new JsonObject { ["name"] = result.GetValue(name) }
                .Put("tenants", Arguments.Array(result.GetValue(tenants)))
                .Put("expires_at", KeysCommand.Moment(result.GetValue(expires), context.Clock))
                .Put("max_hosts", result.GetValue(hosts));
            var made = await api.CreateAsync($"{PathOf(result.GetValue(pool)!)}/tokens", body, result.GetValue(key), cancellationToken).ConfigureAwait(false);
            var server = ServerOf(api.Endpoint.Server, made.Number("grpc_port"));
            var results = globals.Results(result, context);
            results.One(made, [new("ID", item => item.Member("token")?.Text("id")), new("Name", item => item.Member("token")?.Text("name")),
                Column.Of("Token", "raw_token")]);
            if (results.Format.IsForPeople())
                context.Error.WriteLine(made.Text("raw_token") is null
                    ? "It was made before and cannot be shown again."
                    : $"""
                       Keep it now: it is not stored and cannot be shown again. Put it into a file on the host, then start there:
                         marionette-agent host --server {server} --pool {result.GetValue(pool)} --token-file FILE
                       """);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command RevokeToken(GlobalOptions globals, CliContext context)
    {
        var pool = Arguments.Id("POOL");
        var id = Arguments.Id("TOKEN");
        var command = new Command("revoke", "End a join token; hosts that have joined stay") { pool, id };
        command.Aliases.Add("delete");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            await api.DeleteAsync($"{PathOf(result.GetValue(pool)!)}/tokens/{Uri.EscapeDataString(result.GetValue(id)!)}",
                cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).Done($"{result.GetValue(id)} is revoked.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Column[] TokenColumns(TimeProvider clock) =>
    [
        Column.Of("ID", "id"), Column.Of("NAME", "name"), new("HOSTS", item => item.Number("max_hosts") is > 0 and var most ? $"{item.Number("hosts")} of {most}" : item.Text("hosts")),
        new("TENANTS", item => Columns.Words(item, "tenants", ",") is { Length: > 0 } some ? some : "all"), Columns.Age("AGE", "created_at", clock),
        new("STATE", item => item.Text("revoked_at") is not null ? "revoked" : item.Time("expires_at") <= clock.GetUtcNow() ? "expired" : "valid"),
        Column.Of("EXPIRES", "expires_at", wide: true),
    ];

    private static string Memory(JsonElement item) =>
        $"{RunnersCommand.Mib(item.Number("memory_held_mib") ?? 0)} of {RunnersCommand.Mib(item.Number("memory_mib") ?? 0)}";

    private static string Tenants(JsonElement item) => item.Flag("one_tenant_per_host") ? "one per host at a time" : "share hosts";

    // An older server does not say its port.
    private static string ServerOf(Uri api, long? port) =>
        new UriBuilder(api) { Port = (int)(port ?? UsualGrpcPort), Path = "" }.Uri.GetLeftPart(UriPartial.Authority);
}

using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Marionette.Cli.Api;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette permission-hooks …</c>. A secret comes from stdin: what stands in a command line, everybody on the machine can read.</summary>
internal static class HooksCommand
{
    private const string Path = "/api/v1/permission-hooks";

    private static readonly string[] Members = ["name", "url", "risk_at_least", "categories", "labels", "timeout_seconds", "paused"];

    private static readonly Column[] One =
    [
        Column.Of("ID", "id"), Column.Of("Name", "name"), Column.Of("Address", "url"), new("State", State), Column.Of("Risk at least", "risk_at_least"),
        new("Categories", item => string.Join(", ", item.Items("categories").Select(c => c.GetString()))), new("Labels", Labels), Column.Of("Seconds", "timeout_seconds"),
        Column.Of("Made by", "created_by"),
    ];

    private static readonly Column[] Many =
    [
        Column.Of("ID", "id"), Column.Of("NAME", "name"), new("STATE", State), Column.Of("ADDRESS", "url"), Column.Of("RISK", "risk_at_least"),
        new("CATEGORIES", item => string.Join(", ", item.Items("categories").Select(c => c.GetString()))),
    ];

    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var command = new Command("permission-hooks", "Addresses that are asked about permission requests, beside people")
        {
            Make(globals, context), List(globals, context), Get(globals, context), Update(globals, context), Pause(true, globals, context),
            Pause(false, globals, context), Delete(globals, context),
        };
        command.Aliases.Add("permission-hook");
        return command;
    }

    private static Command Make(GlobalOptions globals, CliContext context)
    {
        var options = new HookOptions();
        var key = Arguments.IdempotencyKey();
        var command = new Command("create", "Ask an address; the secret that posts are signed with is shown once") { key };
        options.AddTo(command);
        options.Url.Required = true;
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var body = await options.PutAsync(result, [], context, cancellationToken).ConfigureAwait(false);
            var made = await api.CreateAsync(Path, body, result.GetValue(key), cancellationToken).ConfigureAwait(false);
            var results = globals.Results(result, context);
            results.One(made, [new("ID", item => item.Member("hook")?.Text("id")), new("Address", item => item.Member("hook")?.Text("url")), Column.Of("Secret", "secret")]);
            if (results.Format.IsForPeople() && made.Text("secret") is not null)
                context.Error.WriteLine("Keep the secret now: it cannot be shown again.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command List(GlobalOptions globals, CliContext context)
    {
        var command = new Command("list", "List hooks, oldest first");
        command.Aliases.Add("ls");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            globals.Results(result, context).List(await api.GetAsync(Path, cancellationToken).ConfigureAwait(false), Many, "No hooks.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Get(GlobalOptions globals, CliContext context) =>
        ById("get", "Show one hook, without its secret", globals, context, (api, path, _, token) => api.GetAsync(path, token));

    private static Command Update(GlobalOptions globals, CliContext context)
    {
        var options = new HookOptions();
        var command = ById("update", "Change what the options name; without a secret it keeps the one it has", globals, context, async (api, path, result, token) =>
            await api.PutAsync(path, await options.PutAsync(result, await BodyAsync(api, path, token).ConfigureAwait(false), context, token).ConfigureAwait(false), token)
                .ConfigureAwait(false));
        options.AddTo(command);
        return command;
    }

    private static Command Pause(bool paused, GlobalOptions globals, CliContext context) => ById(
        paused ? "pause" : "resume", paused ? "Ask it no more for now" : "Ask it again, also about what is open", globals, context, async (api, path, _, token) =>
        {
            var body = await BodyAsync(api, path, token).ConfigureAwait(false);
            body["paused"] = paused;
            return await api.PutAsync(path, body, token).ConfigureAwait(false);
        });

    private static Command Delete(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("HOOK");
        var command = new Command("delete", "Remove a hook") { id };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            await api.DeleteAsync(PathOf(result.GetValue(id)!), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).Done($"{result.GetValue(id)} is removed.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command ById(
        string name, string description, GlobalOptions globals, CliContext context, Func<ApiClient, string, ParseResult, CancellationToken, Task<JsonElement>> call)
    {
        var id = Arguments.Id("HOOK");
        var command = new Command(name, description) { id };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            globals.Results(result, context).One(await call(api, PathOf(result.GetValue(id)!), result, cancellationToken).ConfigureAwait(false), One);
            return ExitCode.Ok;
        });
        return command;
    }

    /// <summary>A hook is written whole: what it says now, as the body of a write.</summary>
    private static async Task<JsonObject> BodyAsync(ApiClient api, string path, CancellationToken cancellationToken)
    {
        var now = await api.GetAsync(path, cancellationToken).ConfigureAwait(false);
        var body = new JsonObject();
        foreach (var member in Members)
            body.Put(member, now.Member(member) is { } value ? JsonNode.Parse(value.GetRawText()) : null);
        return body;
    }

    private static string PathOf(string id) => $"{Path}/{Uri.EscapeDataString(id)}";

    private static string State(JsonElement item) => item.Flag("paused") ? "paused" : "active";

    private static string? Labels(JsonElement item) =>
        item.Member("labels") is { } labels ? string.Join(", ", labels.EnumerateObject().Select(label => $"{label.Name}={label.Value}")) : null;
}

/// <summary>What a hook may have, as options.</summary>
internal sealed class HookOptions
{
    private readonly Option<string?> name = new("--name") { Description = "For people" };
    private readonly Option<bool> secret = new("--secret-stdin") { Description = "Read the secret that posts are signed with from stdin" };
    private readonly Option<string?> least = new("--risk-at-least") { Description = "low, medium, high, critical" };
    private readonly Option<string[]> categories = Arguments.Many("--category", "command, read, edit, delete, network, mcp, plan, question, other");
    private readonly Option<string[]> labels = Arguments.Pairs("--labels", "Labels that the session must have: all of them", "--label");
    private readonly Option<int?> timeout = new("--timeout") { Description = "A post may take this many seconds (10)", HelpName = "SECONDS" };

    public Option<string?> Url { get; } = new("--url") { Description = "http or https", HelpName = "URL" };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { Url, name, secret, least, categories, labels, timeout })
            command.Options.Add(option);
    }

    public async Task<JsonObject> PutAsync(ParseResult result, JsonObject body, CliContext context, CancellationToken cancellationToken) => body
        .Put("url", result.GetValue(Url)).Put("name", result.GetValue(name))
        .Put("secret", result.GetValue(secret) ? (await context.In.ReadToEndAsync(cancellationToken).ConfigureAwait(false)).Trim() : null)
        .Put("risk_at_least", result.GetValue(least)).Put("categories", Arguments.Array(result.GetValue(categories)))
        .Put("labels", Arguments.Map(result.GetValue(labels), "--labels")).Put("timeout_seconds", result.GetValue(timeout));
}

using System.CommandLine;
using System.Globalization;
using Marionette.Cli.Output;
using System.Text.Json.Nodes;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette keys …</c></summary>
internal static class KeysCommand
{
    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var command = new Command("keys", "API keys") { CreateKey(globals, context), List(globals, context), Revoke(globals, context) };
        command.Aliases.Add("key");
        return command;
    }

    private static Command CreateKey(GlobalOptions globals, CliContext context)
    {
        var name = new Argument<string?>("NAME") { Description = "What the key is for", Arity = ArgumentArity.ZeroOrOne };
        var nameOption = new Option<string?>("--name") { Description = "The name, instead of the argument" };
        var scopes = Arguments.Many("--scopes", "What it may do, sessions:read for example (default *)");
        var expires = new Option<string?>("--expires") { Description = "A time (2027-01-31T00:00:00Z) or a span from now: 12h, 30d", HelpName = "WHEN" };
        var tenant = new Option<string?>("--tenant") { Description = "Another tenant; needs the scope operator" };
        var labels = Arguments.Pairs("--labels", "Labels", "--label");
        var key = Arguments.IdempotencyKey();
        var command = new Command("create", "Make a key; it is shown once") { name, nameOption, scopes, expires, tenant, labels, key };
        command.Validators.Add(result =>
        {
            if (result.GetValue(name) is null == result.GetValue(nameOption) is null)
                result.AddError("A name is needed, once");
        });
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var body = new JsonObject { ["name"] = result.GetValue(name) ?? result.GetValue(nameOption) }
                .Put("scopes", Arguments.Array(result.GetValue(scopes)))
                .Put("expires_at", Moment(result.GetValue(expires), context.Clock))
                .Put("tenant", result.GetValue(tenant))
                .Put("labels", Arguments.Map(result.GetValue(labels), "--labels"));
            var created = await api.CreateAsync("/api/v1/keys", body, result.GetValue(key), cancellationToken).ConfigureAwait(false);
            var results = globals.Results(result, context);
            results.One(created, [new("ID", item => item.Member("key")?.Text("id")), new("Name", item => item.Member("key")?.Text("name")), Column.Of("Key", "raw_token")]);
            if (results.Format.IsForPeople())
                context.Error.WriteLine("Keep it now: it is not stored and cannot be shown again.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command List(GlobalOptions globals, CliContext context)
    {
        var limit = Arguments.Limit();
        var cursor = Arguments.Cursor();
        var command = new Command("list", "List keys, newest first") { limit, cursor };
        command.Aliases.Add("ls");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var query = new Query("/api/v1/keys").Add("limit", result.GetValue(limit)).Add("cursor", result.GetValue(cursor));
            globals.Results(result, context).List(await api.GetAsync(query.ToString(), cancellationToken).ConfigureAwait(false), Columns.Keys(context.Clock), "No keys.");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Revoke(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("KEY");
        var command = new Command("revoke", "End a key at once") { id };
        command.Aliases.Add("delete");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            await api.DeleteAsync($"/api/v1/keys/{Uri.EscapeDataString(result.GetValue(id)!)}", cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).Done($"{result.GetValue(id)} is revoked.");
            return ExitCode.Ok;
        });
        return command;
    }

    /// <summary>A time, or a span from now (12h, 30d), as the API takes it.</summary>
    /// <exception cref="CliException">Neither of them.</exception>
    internal static string? Moment(string? text, TimeProvider clock)
    {
        if (text is null)
            return null;
        if (text.Length > 1 && int.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var count))
        {
            TimeSpan? span = text[^1] switch { 'm' => TimeSpan.FromMinutes(count), 'h' => TimeSpan.FromHours(count), 'd' => TimeSpan.FromDays(count), _ => null };
            if (span is { } later)
                return (clock.GetUtcNow() + later).ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
        }
        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            ? time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture)
            : throw new CliException($"'{text}' is neither a time nor a span such as 30d", null, ExitCode.Usage);
    }
}

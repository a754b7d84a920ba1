using System.CommandLine;
using System.Text.Json;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette providers list</c>: the backends of the installation, and how they are.</summary>
internal static class ProvidersCommand
{
    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var list = new Command("list", "List the backends that make runners; -o wide tells what each can do");
        list.Aliases.Add("ls");
        list.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var found = await api.GetAsync("/api/v1/providers", cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).List(found, Many(context.Clock), "No providers.");
            return ExitCode.Ok;
        });
        var command = new Command("providers", "The backends that make runners") { list };
        command.Aliases.Add("provider");
        return command;
    }

    private static Column[] Many(TimeProvider clock) =>
    [
        Column.Of("NAME", "name"), Column.Of("ISOLATION", "isolation"),
        new("RUNNERS", item => item.Number("max_runners") is > 0 and var max ? $"{item.Number("runners")} of {max}" : item.Text("runners")),
        Column.Of("STARTING", "starting"), Column.Of("QUEUED", "queued"), Column.Of("WARM", "warm"), new("TROUBLE", item => Trouble(item, clock)),
        new("CAPABILITIES", item => Columns.Words(item, "capabilities"), Wide: true), new("LIMITS", item => Columns.Words(item, "limits"), Wide: true),
        new("RECONCILED", item => Reconciled(item, clock), Wide: true),
    ];

    private static string? Trouble(JsonElement item, TimeProvider clock)
    {
        if (item.Text("trouble") is not { } trouble)
            return null;
        var wait = item.Time("retry_at") - clock.GetUtcNow();
        return wait > TimeSpan.Zero ? $"{trouble} (tried again in {Format.Elapsed(wait.Value)})" : trouble;
    }

    private static string? Reconciled(JsonElement item, TimeProvider clock) => item.Member("reconcile") is { } seen
        ? $"{Format.Age(seen.Time("at"), clock.GetUtcNow())} ago: {seen.Number("owned")} owned, {seen.Number("adopted")} adopted, {seen.Number("removed")} removed"
        : null;
}

using System.CommandLine;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette storage …</c>: the tenant's part of the chunk store.</summary>
internal static class StorageCommand
{
    private const string Path = "/api/v1/storage";

    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var command = new Command("storage", "What checkpoints take up, and whether all of it is sound")
        {
            Show(globals, context),
            Collect(globals, context),
            Check(globals, context),
            Rewrap(globals, context),
        };
        return command;
    }

    private static Command Show(GlobalOptions globals, CliContext context)
    {
        var command = new Command("show", "How much is stored");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var storage = await api.GetAsync(Path, cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(storage,
            [
                new("Stored", item => Format.Size(item.Number("bytes_stored") ?? 0)), new("Limit", item => item.Number("bytes_limit") is { } limit ? Format.Size(limit) : null),
                Column.Of("Packs", "packs"), Column.Of("Snapshots", "snapshots"), Column.Of("Mirrors", "mirrors"),
                new("Packs missing", item => item.Number("packs_missing") is > 0 and var missing ? $"{missing}: run 'marionette storage check'" : null), Columns.Age("Rules applied", "looked_at", context.Clock, " ago"),
                Columns.Age("Collected", "collected_at", context.Clock, " ago"),
            ]);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Collect(GlobalOptions globals, CliContext context)
    {
        var command = new Command("collect", "Apply the rules of retention and delete what nothing needs, now. Space is free after the second time");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var report = await api.RunAsync($"{Path}/collect", cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(report,
            [
                Column.Of("Checkpoints gone", "checkpoints"), Column.Of("Snapshots gone", "snapshots"), Column.Of("Packs condemned", "packs_condemned"),
                Column.Of("Packs deleted", "packs_deleted"), new("Freed", item => Format.Size(item.Number("bytes_deleted") ?? 0)),
            ]);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Check(GlobalOptions globals, CliContext context)
    {
        var data = new Option<bool>("--read-data") { Description = "Also read and open every chunk" };
        var command = new Command("check", "Check everything that is stored; exit code 1 when something is wrong") { data };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var report = await api.RunAsync($"{Path}/check{(result.GetValue(data) ? "?read_data=true" : "")}", cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(report,
            [
                new("Sound", item => item.Flag("is_sound") ? "yes" : "no"), Column.Of("Snapshots", "snapshots"), Column.Of("Packs", "packs"), Column.Of("Chunks", "chunks"),
                new("Defects", item => Columns.Words(item, "defects")),
            ]);
            return report.Flag("is_sound") ? ExitCode.Ok : ExitCode.Failure;
        });
        return command;
    }

    private static Command Rewrap(GlobalOptions globals, CliContext context)
    {
        var command = new Command("rewrap", "Put all tenants' keys under the key that the server wraps with now; needs the scope operator. Exit code 1 when some are not");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var report = await api.RunAsync($"{Path}/rewrap", cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(report, [Column.Of("Key", "key"), Column.Of("Rewrapped", "rewrapped"), new("Failed", item => Columns.Words(item, "failed"))]);
            return report.Items("failed").Any() ? ExitCode.Failure : ExitCode.Ok;
        });
        return command;
    }
}

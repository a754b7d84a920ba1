using System.CommandLine;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary>The commands of whatever the API stores under a path: list, get, delete.</summary>
/// <param name="path">The list's path.</param>
/// <param name="thing">What one of them is called: "profile".</param>
internal sealed class Verbs(string path, string thing, GlobalOptions globals, CliContext context)
{
    /// <param name="filters">Query parameters, and the options that give them.</param>
    /// <param name="labels">The option for labels, where there are labels.</param>
    public Command List(Column[] columns, (string Name, Option<string[]> Option)[] filters, Option<string[]>? labels = null)
    {
        var limit = Arguments.Limit();
        var cursor = Arguments.Cursor();
        var command = new Command("list", $"List {thing}s, newest first");
        foreach (var (_, option) in filters)
            command.Options.Add(option);
        if (labels is not null)
            command.Options.Add(labels);
        command.Options.Add(limit);
        command.Options.Add(cursor);
        command.Aliases.Add("ls");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var query = new Query(path);
            foreach (var (name, option) in filters)
                query.All(name, result.GetValue(option));
            query.Labels(labels is null ? null : result.GetValue(labels)).Add("limit", result.GetValue(limit)).Add("cursor", result.GetValue(cursor));
            var page = await api.GetAsync(query.ToString(), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).List(page, columns, $"No {thing}s.");
            return ExitCode.Ok;
        });
        return command;
    }

    public Command Get(Column[] columns, string? description = null)
    {
        var id = Arguments.Id("ID");
        var command = new Command("get", description ?? $"Show one {thing}") { id };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var found = await api.GetAsync(PathOf(result.GetValue(id)!), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).One(found, columns);
            return ExitCode.Ok;
        });
        return command;
    }

    public Command Delete(string description)
    {
        var id = Arguments.Id("ID");
        var command = new Command("delete", description) { id };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            await api.DeleteAsync(PathOf(result.GetValue(id)!), cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).Done($"{result.GetValue(id)} is removed.");
            return ExitCode.Ok;
        });
        return command;
    }

    public string PathOf(string id) => $"{path}/{Uri.EscapeDataString(id)}";
}

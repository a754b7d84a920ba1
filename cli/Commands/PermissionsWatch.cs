using System.CommandLine;
using System.Text.Json;
using Marionette.Cli.Api;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette permissions watch</c>: the inbox of all sessions, live.</summary>
internal static class PermissionsWatch
{
    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var session = new Option<string?>("--session") { Description = "Only of this session", HelpName = "ID" };
        var command = new Command("watch", "Show requests and their answers as they come, of all sessions; needs events:read") { session };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var json = result.GetValue(globals.Output) == OutputFormat.Json;
            var away = false;
            var feed = new InboxFeed(api, context.Clock, new FeedNotices
            {
                Lost = cause => Notice(context, ref away, true, cause), Restored = () => Notice(context, ref away, false, "connected again"),
            });
            await foreach (var entry in feed.ReadAsync(cancellationToken).ConfigureAwait(false))
            {
                if (result.GetValue(session) is { } only && entry.Session != only)
                    continue;
                context.Out.WriteLine(json ? JsonText.Compact(entry.Json) : TerminalText.OneLine(LineOf(entry)));
                context.Out.Flush();
            }

            return ExitCode.Ok;
        });
        return command;
    }

    internal static string LineOf(InboxEntry entry)
    {
        var data = entry.Data;
        return entry.Type switch
        {
            "permission.requested" => $"? {entry.Id}  {data.Text("risk_level")}  {data.Text("tool")}  {Format.Fit(WhatOf(data), 80)}  ({entry.Session})",
            "permission.approval" => $"  {entry.Id}  approved by {data.Text("by")}, {data.Text("have")} of {data.Text("need")}",
            "permission.escalated" => $"! {entry.Id}  waits for {string.Join(", ", data.Items("notify").Select(n => n.GetString()))}",
            "permission.delegated" => $"  {entry.Id}  handed on by {data.Text("by")} to {data.Text("to")}",
            "permission.approved" or "permission.denied" => $"{(entry.Type.EndsWith("approved", StringComparison.Ordinal) ? "✓" : "✗")} {entry.Id}  {entry.Type[11..]} by {data.Text("by")}{Because(data)}",
            _ => $"  {entry.Id}  {entry.Type[(entry.Type.IndexOf('.') + 1)..]}{Because(data)}",
        };
    }

    private static string WhatOf(JsonElement data) =>
        (data.IsOwnQuestion() ? data.Text("description") : data.Text("command") ?? data.Text("title") ?? data.Text("action")) ?? "";

    private static string Because(JsonElement data) => data.Text("reason") is { Length: > 0 } reason ? $": {reason}" : "";

    private static void Notice(CliContext context, ref bool away, bool now, string what)
    {
        if (away == now)
            return;
        away = now;
        context.Error.WriteLine($"marionette: {what}");
    }
}

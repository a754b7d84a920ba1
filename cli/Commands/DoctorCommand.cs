using System.CommandLine;
using System.Text.Json.Nodes;
using Marionette.Cli.Local;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette doctor</c>: what is there, what is missing, what to do about it.</summary>
internal static class DoctorCommand
{
    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var data = new Option<string?>("--data-dir") { Description = $"Folder to check ({DataFolder.Default(context)})", HelpName = "DIR" };
        var command = new Command("doctor", "Check this machine and the server") { data };
        command.SetAction(async (result, cancellationToken) =>
        {
            var checks = new HealthChecks(context, Layout.Find(context), Path.GetFullPath(result.GetValue(data) ?? DataFolder.Default(context)));
            var findings = new List<Finding>();
            await foreach (var finding in checks.RunAsync(() => globals.Endpoint(result, context), cancellationToken).ConfigureAwait(false))
            {
                findings.Add(finding);
                if (result.GetValue(globals.Output).IsForPeople())
                    Show(finding, context);
            }
            var failed = findings.Any(finding => finding.Level == Level.Fail);
            if (!result.GetValue(globals.Output).IsForPeople())
                globals.Results(result, context).One(JsonText.ToElement(AsJson(findings, failed)), []);
            return failed ? ExitCode.Failure : ExitCode.Ok;
        });
        return command;
    }

    private static void Show(Finding finding, CliContext context)
    {
        var color = context.Terminal is { Color: true, OutputIsTerminal: true };
        var (word, style) = finding.Level switch { Level.Ok => ("ok  ", Style.Good), Level.Warn => ("warn", Style.Ask), _ => ("FAIL", Style.Bad) };
        context.Out.WriteLine($"{Paint.Apply(style, word, color)}  {finding.Name,-12}  {TerminalText.OneLine(finding.Detail)}");
        if (finding.Action is { } action && finding.Level != Level.Ok)
            context.Out.WriteLine($"{"",20}{TerminalText.OneLine(action)}");
    }

    private static JsonObject AsJson(List<Finding> findings, bool failed) => new()
    {
        ["ok"] = !failed,
        ["checks"] = new JsonArray([.. findings.Select(finding => new JsonObject
        {
            ["name"] = finding.Name,
            ["status"] = finding.Level switch { Level.Ok => "ok", Level.Warn => "warn", _ => "fail" },
            ["detail"] = finding.Detail,
        }.Put("action", finding.Level == Level.Ok ? null : finding.Action))]),
    };
}

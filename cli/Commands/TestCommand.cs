using System.CommandLine;
using System.Diagnostics;
using Marionette.Cli.Local;
using Marionette.Cli.Output;
using Marionette.Cli.Testing;

namespace Marionette.Cli.Commands;

/// <summary>
/// <c>marionette test</c>: builds the test programs, runs one after another, tells of every failure in full. The last line is
/// <c>N passed, N failed, N skipped</c>; a program that crashed, or ran no test, counts as one failure.
/// </summary>
internal static class TestCommand
{
    private const string Configuration = "Release";

    public static Command Create(CliContext context)
    {
        var project = Arguments.Many("--project", "Only test projects whose name contains this");
        var filter = new Option<string?>("--filter") { Description = "Only tests whose full name contains this", HelpName = "TEXT" };
        var limit = new Option<int>("--timeout") { Description = "Minutes that one project may take", HelpName = "MINUTES", DefaultValueFactory = _ => 30 };
        var command = new Command("test", "Build and run every test") { project, filter, limit };
        command.SetAction(async (result, cancellationToken) =>
        {
            var layout = Layout.Find(context);
            var wanted = result.GetValue(project) ?? [];
            var projects = TestProject.Find(layout.Source)
                .Where(each => wanted.Length == 0 || wanted.Any(word => each.Name.Contains(word, StringComparison.OrdinalIgnoreCase))).ToArray();
            if (projects.Length == 0)
                throw new CliException("no such test project", $"They are in {Path.Combine(layout.Source, "test")}.", ExitCode.Usage);
            var options = new TestRunOptions
            {
                Logs = layout.Logs,
                Limit = TimeSpan.FromMinutes(Math.Max(result.GetValue(limit), 1)),
                Arguments = result.GetValue(filter) is { } text ? ["--filter-method", $"*{text}*"] : [],
                Variables = [("MARIONETTE_ARTIFACTS", layout.Home), ("MARIONETTE_CLAUDE", layout.Claude ?? "")],
            };
            return await RunAllAsync(projects, layout, options, context, cancellationToken).ConfigureAwait(false);
        });
        return command;
    }

    private static async Task<int> RunAllAsync(TestProject[] projects, Layout layout, TestRunOptions options, CliContext context, CancellationToken cancellationToken)
    {
        var summary = new TestSummary(context.Out, context.Terminal is { Color: true, OutputIsTerminal: true });
        var built = await BuildAsync(projects, layout, context, cancellationToken).ConfigureAwait(false);
        foreach (var project in projects)
        {
            // Without a whole build the programs are not those of this source; running them would tell nothing.
            var outcome = built
                ? await new TestRun(options, context.Clock).RunAsync(project.Name, project.Program(Configuration), cancellationToken).ConfigureAwait(false)
                : new TestOutcome(project.Name, null, "was not run: the build failed", TimeSpan.Zero, BuildLog(layout));
            summary.Add(outcome);
        }
        return summary.Finish();
    }

    private static string BuildLog(Layout layout) => Path.Combine(layout.Logs, "build-tests.log");

    // One solution of all the projects: what they share is built once, and side by side where that goes.
    private static async Task<bool> BuildAsync(TestProject[] projects, Layout layout, CliContext context, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(layout.Logs);
        var solution = Path.Combine(layout.Home, "tests.slnx");
        var lines = projects.Select(project => $"  <Project Path=\"{System.Security.SecurityElement.Escape(project.ProjectFile)}\" />");
        await File.WriteAllTextAsync(solution, $"<Solution>\n{string.Join('\n', lines)}\n</Solution>\n", cancellationToken).ConfigureAwait(false);
        var began = context.Clock.GetTimestamp();
        var start = new ProcessStartInfo("/bin/sh",
        [
            "-c", "exec \"$@\" >\"$LOG\" 2>&1 </dev/null", "sh",
            "dotnet", "build", solution, "-c", Configuration, "--nologo", "-v", "minimal", "-clp:NoSummary",
            // What the tests refer to is not in the solution and would be built for debugging, once more and other than what is shipped.
            "-p:ShouldUnsetParentConfigurationAndPlatform=false",
        ]);
        start.Environment["LOG"] = BuildLog(layout);
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.WorkingDirectory = layout.Source;
        using var process = Process.Start(start)!;
        await process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
        if (process.ExitCode == 0)
        {
            context.Error.WriteLine($"  Building the tests: done in {Format.Duration(context.Clock.GetElapsedTime(began))}");
            return true;
        }
        context.Out.WriteLine("The tests do not build:");
        foreach (var line in File.ReadLines(BuildLog(layout)).Where(line => line.Contains("error", StringComparison.Ordinal)).Distinct().Take(40))
            context.Out.WriteLine($"  {line.Trim()}");
        context.Out.WriteLine($"  The whole log: {BuildLog(layout)}");
        return false;
    }
}

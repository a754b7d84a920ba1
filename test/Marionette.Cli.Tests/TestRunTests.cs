using System.Xml.Linq;
using Marionette.Cli.Testing;
using Marionette.Cli.Tests.Support;

namespace Marionette.Cli.Tests;

/// <summary>What <c>marionette test</c> makes of test programs that behave, and of those that do not.</summary>
public sealed class TestRunTests : IDisposable
{
    private const string Trx = """
        <TestRun xmlns="http://microsoft.com/schemas/VisualStudio/TeamTest/2010"><Results>
          <UnitTestResult testName="A.Works" outcome="Passed" />
          <UnitTestResult testName="A.Breaks" outcome="Failed"><Output><ErrorInfo><Message>expected 1
        actual 2</Message><StackTrace>   at A.Breaks() in a.cs:line 3</StackTrace></ErrorInfo></Output></UnitTestResult>
          <UnitTestResult testName="A.Later" outcome="NotExecuted"><Output><StdOut>no kernel feature</StdOut></Output></UnitTestResult>
          <UnitTestResult testName="A.Odd" outcome="Aborted" />
        </Results></TestRun>
        """;

    private const string GoodTrx = """<TestRun xmlns="http://microsoft.com/schemas/VisualStudio/TeamTest/2010"><Results><UnitTestResult testName="A.Works" outcome="Passed" /></Results></TestRun>""";
    private const string EmptyTrx = """<TestRun xmlns="http://microsoft.com/schemas/VisualStudio/TeamTest/2010"><Results /></TestRun>""";

    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Report_EveryOutcome_IsCounted()
    {
        var report = TestReport.Parse(XDocument.Parse(Trx));
        Assert.Equal(1, report.Passed);
        Assert.Equal([new TestFinding("A.Breaks", "expected 1\nactual 2", "   at A.Breaks() in a.cs:line 3"), new TestFinding("A.Odd", "outcome Aborted")], report.Failed);
        Assert.Equal([new TestFinding("A.Later", "no kernel feature")], report.Skipped);
    }

    [Theory]
    [InlineData(GoodTrx, 0, null)]
    [InlineData(Trx, 2, null)]
    [InlineData(GoodTrx, 3, "ended with exit code 3")]
    [InlineData(Trx, 0, "ended with exit code 0")]
    [InlineData(EmptyTrx, 0, "ran no test")]
    [InlineData(EmptyTrx, 8, "ran no test")]
    [InlineData("<TestRun", 0, "crashed with exit code 0, without a report")]
    [InlineData(null, 134, "crashed with exit code 134, without a report")]
    public async Task Run_Program_IsJudgedByReportAndExitCode(string? trx, int code, string? trouble)
    {
        var outcome = await RunAsync($"{Report(trx)}\nexit {code}", new TestRunOptions { Logs = folder["logs"] });
        Assert.Equal(trouble, outcome.Trouble);
    }

    [Fact]
    public async Task Run_FilterThatMatchesNothingHere_IsNoTrouble()
    {
        var outcome = await RunAsync("exit 8", new TestRunOptions { Logs = folder["logs"], Arguments = ["--filter-method", "*x*"] });
        Assert.Null(outcome.Trouble);
    }

    [Fact]
    public async Task Run_ProgramThatNeverEnds_IsKilledWithItsChildren()
    {
        var clock = new HurriedClock();
        var options = new TestRunOptions { Logs = folder["logs"], Limit = TimeSpan.FromMinutes(2), Grace = TimeSpan.FromMinutes(1) };
        clock.ExpireNext(options.Limit + options.Grace);
        var outcome = await RunAsync($"sleep 1000 & echo $! > '{folder["child"]}.new'; mv '{folder["child"]}.new' '{folder["child"]}'; wait", options, clock);
        Assert.Equal("was killed: it was still running after 3 min 00 s", outcome.Trouble);
        if (File.Exists(folder["child"]))
            await Shell.GoneAsync(int.Parse(File.ReadAllText(folder["child"])));
    }

    [Fact]
    public async Task Run_ChildLeftBehindWithThePipeOpen_DoesNotHoldTheRunUp()
    {
        var outcome = await RunAsync($"{Report(GoodTrx)}\nsleep 1000 & echo $! > '{folder["child"]}'; exit 0", new TestRunOptions { Logs = folder["logs"] });
        Assert.Null(outcome.Trouble);
        await Shell.RunAsync("kill", [File.ReadAllText(folder["child"]).Trim()]);
    }

    [Fact]
    public async Task Run_EnvironmentAndLimit_AreHandedOver()
    {
        var options = new TestRunOptions { Logs = folder["logs"], Limit = TimeSpan.FromMinutes(7), Variables = [("MARIONETTE_ARTIFACTS", "/a b")] };
        var outcome = await RunAsync("echo \"$MARIONETTE_ARTIFACTS\" \"$@\"; exit 1", options);
        var said = await File.ReadAllTextAsync(outcome.Output, TestContext.Current.CancellationToken);
        Assert.StartsWith("/a b --report-xunit-trx", said);
        Assert.Contains("--timeout 420s", said);
    }

    [Fact]
    public void Summary_AllKinds_EndsWithTheLineThatProgramsRead()
    {
        var output = new StringWriter();
        var summary = new TestSummary(output, color: false);
        folder.Write("log", string.Concat(Enumerable.Range(1, 50).Select(i => $"said {i}\n")));
        summary.Add(new TestOutcome("Good", TestReport.Parse(XDocument.Parse(GoodTrx)), null, TimeSpan.FromSeconds(1.5), folder["log"]));
        summary.Add(new TestOutcome("Bad", TestReport.Parse(XDocument.Parse(Trx)), null, TimeSpan.FromSeconds(2), folder["log"]));
        summary.Add(new TestOutcome("Crash", null, "crashed with exit code 134, without a report", TimeSpan.FromSeconds(3), folder["log"]));
        Assert.Equal(ExitCode.Failure, summary.Finish());
        var lines = output.ToString().TrimEnd('\n').Split('\n');
        Assert.Equal("2 passed, 3 failed, 1 skipped", lines[^1]);
        Assert.Contains("ok    Good  1 passed, 0 failed, 0 skipped  1.5 s", lines);
        Assert.Contains("  failed  A.Breaks", lines);
        Assert.Contains("    actual 2", lines);
        Assert.Contains("    at A.Breaks() in a.cs:line 3".Insert(4, "   "), lines);
        Assert.Contains("  skipped  A.Later: no kernel feature", lines);
        Assert.Contains("  Crash crashed with exit code 134, without a report", lines);
        Assert.Contains("    said 50", lines);
    }

    [Fact]
    public void Summary_NothingRanAtAll_IsAFailure() => Assert.Equal(ExitCode.Failure, new TestSummary(TextWriter.Null, false).Finish());

    [Fact]
    public void Find_Checkout_HasTheTestProjectsAndNothingElse()
    {
        folder.Write("test/Marionette.B.Tests/Marionette.B.Tests.csproj", "<Project><PropertyGroup><TargetFramework>net9.0</TargetFramework></PropertyGroup></Project>");
        folder.Write("test/Marionette.A.Tests/Marionette.A.Tests.csproj", "<Project/>");
        folder.Write("test/ModelServer/Marionette.ModelServer.csproj", "<Project/>");
        var found = TestProject.Find(folder.Path);
        Assert.Equal(["Marionette.A.Tests", "Marionette.B.Tests"], found.Select(project => project.Name));
        Assert.Equal(folder["test/Marionette.B.Tests/bin/Release/net9.0/Marionette.B.Tests"], found[1].Program("Release"));
        Assert.Equal(folder["test/Marionette.A.Tests/bin/Release/net10.0/Marionette.A.Tests"], found[0].Program("Release"));
    }

    // The report's path is made of two of the arguments, as the test platform does it.
    private static string Report(string? trx) => trx is null ? "" : $"cat > \"$5/$3\" <<'END'\n{trx}\nEND";

    private Task<TestOutcome> RunAsync(string script, TestRunOptions options, TimeProvider? clock = null) =>
        new TestRun(options, clock ?? new HurriedClock()).RunAsync("Sample", folder.Script("sample", script + "\n"), TestContext.Current.CancellationToken);
}

using Marionette.Cli.Output;

namespace Marionette.Cli.Testing;

/// <summary>Prints what became of each test program, and adds it all up.</summary>
internal sealed class TestSummary(TextWriter output, bool color)
{
    private const int TailLines = 30;

    private int passed;
    private int failed;
    private int skipped;

    public void Add(TestOutcome outcome)
    {
        var report = outcome.Report ?? new TestReport(0, [], []);
        passed += report.Passed;
        failed += report.Failed.Count + (outcome.Trouble is null ? 0 : 1);
        skipped += report.Skipped.Count;
        var bad = outcome.Trouble is not null || report.Failed.Count > 0;
        var counts = $"{report.Passed} passed, {report.Failed.Count} failed, {report.Skipped.Count} skipped";
        output.WriteLine($"{Paint.Apply(bad ? Style.Bad : Style.Good, bad ? "FAIL" : "ok  ", color)}  {outcome.Name}  {counts}  {Format.Duration(outcome.Took)}");
        foreach (var test in report.Skipped)
            output.WriteLine($"  skipped  {test.Name}: {TerminalText.OneLine(test.Message)}");
        foreach (var test in report.Failed)
            Failure(test);
        if (outcome.Trouble is { } trouble)
            Trouble(outcome, trouble);
        output.Flush();
    }

    /// <summary>Prints the last line. Non-zero when anything failed, or when nothing ran at all.</summary>
    public int Finish()
    {
        output.WriteLine($"{passed} passed, {failed} failed, {skipped} skipped");
        output.Flush();
        return failed > 0 || passed == 0 ? ExitCode.Failure : ExitCode.Ok;
    }

    private void Failure(TestFinding test)
    {
        output.WriteLine($"  {Paint.Apply(Style.Bad, "failed", color)}  {test.Name}");
        foreach (var line in $"{test.Message}\n{test.StackTrace}".TrimEnd().Split('\n'))
            output.WriteLine($"    {TerminalText.CleanAll(line.TrimEnd())}");
    }

    private void Trouble(TestOutcome outcome, string trouble)
    {
        output.WriteLine($"  {Paint.Apply(Style.Bad, $"{outcome.Name} {trouble}", color)}");
        if (!File.Exists(outcome.Output))
            return;
        output.WriteLine($"  The end of {outcome.Output}:");
        foreach (var line in File.ReadLines(outcome.Output).TakeLast(TailLines))
            output.WriteLine($"    {TerminalText.CleanAll(line)}");
    }
}

using System.Diagnostics;
using Marionette.Cli.Output;

namespace Marionette.Cli.Testing;

/// <summary>How a test program is run.</summary>
internal sealed record TestRunOptions
{
    /// <summary>Where reports and outputs go.</summary>
    public required string Logs { get; init; }

    /// <summary>A program may take this long; then it is told to stop, and a little later it is killed.</summary>
    public TimeSpan Limit { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>Between being told to stop and being killed.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Arguments for every program: filters.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    public IReadOnlyList<(string Name, string Value)> Variables { get; init; } = [];
}

/// <summary>How one program's run ended.</summary>
/// <param name="Report">What it reported; null when it did not live to report.</param>
/// <param name="Trouble">Why the run as a whole is no success although no test says so: a crash, no tests, too slow. Null: none.</param>
/// <param name="Output">File with everything it printed.</param>
internal sealed record TestOutcome(string Name, TestReport? Report, string? Trouble, TimeSpan Took, string Output);

/// <summary>Runs one test program and judges what came of it.</summary>
internal sealed class TestRun(TestRunOptions options, TimeProvider clock)
{
    // The platform's own code for "no tests ran"; with a filter that is an answer and no failure.
    private const int ZeroTests = 8;
    private const int SomeFailed = 2;

    public async Task<TestOutcome> RunAsync(string name, string program, CancellationToken cancellationToken)
    {
        var began = clock.GetTimestamp();
        var output = Path.Combine(options.Logs, $"test-{name}.log");
        var report = Path.Combine(options.Logs, $"test-{name}.trx");
        Directory.CreateDirectory(options.Logs);
        File.Delete(report);
        if (!File.Exists(program))
            return new TestOutcome(name, null, $"was not built: {program} is missing", TimeSpan.Zero, output);
        int? code;
        try
        {
            code = await ExecuteAsync(program, report, output, cancellationToken).ConfigureAwait(false);
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            return new TestOutcome(name, null, $"cannot be started: {error.Message}", TimeSpan.Zero, output);
        }
        var read = TestReport.Read(report);
        return new TestOutcome(name, read, Judge(code, read), clock.GetElapsedTime(began), output);
    }

    private string? Judge(int? code, TestReport? report) => (code, report) switch
    {
        (null, _) => $"was killed: it was still running after {Format.Duration(options.Limit + options.Grace)}",
        (ZeroTests, _) or (0, { Total: 0 }) => options.Arguments.Count > 0 ? null : "ran no test",
        (_, null) => $"crashed with exit code {code}, without a report",
        (0, { Failed.Count: 0 }) or (SomeFailed, { Failed.Count: > 0 }) => null,
        _ => $"ended with exit code {code}",
    };

    /// <returns>The exit code; null when it had to be killed.</returns>
    private async Task<int?> ExecuteAsync(string program, string report, string output, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(program,
        [
            "--report-xunit-trx", "--report-xunit-trx-filename", Path.GetFileName(report), "--results-directory", options.Logs,
            "--progress", "off", "--no-ansi", "--timeout", $"{(int)options.Limit.TotalSeconds}s", .. options.Arguments,
        ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            WorkingDirectory = Path.GetDirectoryName(program)!,
        };
        foreach (var (name, value) in options.Variables)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        await using var file = new FileStream(output, FileMode.Create, FileAccess.Write, FileShare.Read);
        // Two copies into one file: whole chunks, so lines of the two streams stay readable.
        var gate = new SemaphoreSlim(1);
        var copies = Task.WhenAll(CopyAsync(process.StandardOutput.BaseStream, file, gate), CopyAsync(process.StandardError.BaseStream, file, gate));
        using var limit = new CancellationTokenSource(options.Limit + options.Grace, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await process.WaitForExitAsync(both.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            return null;
        }
        // A process that a test left behind may hold the pipes open; the program itself has ended and has said all it will.
        await Task.WhenAny(copies, Task.Delay(TimeSpan.FromSeconds(2), clock, CancellationToken.None)).ConfigureAwait(false);
        await gate.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        return process.ExitCode;
    }

    private static async Task CopyAsync(Stream from, FileStream to, SemaphoreSlim gate)
    {
        var buffer = new byte[16 * 1024];
        while (await from.ReadAsync(buffer).ConfigureAwait(false) is > 0 and var count)
        {
            await gate.WaitAsync().ConfigureAwait(false);
            await to.WriteAsync(buffer.AsMemory(0, count)).ConfigureAwait(false);
            await to.FlushAsync().ConfigureAwait(false);
            gate.Release();
        }
    }
}

using System.Diagnostics;
using System.Globalization;

namespace Marionette.Bench.Measuring;

/// <summary>What a program cost from start to end.</summary>
/// <param name="Seconds">By the clock.</param>
/// <param name="CpuSeconds">Of all its threads and children.</param>
/// <param name="PeakBytes">Most memory that was resident.</param>
internal sealed record ProcessCost(double Seconds, double CpuSeconds, long PeakBytes, string Output)
{
    private const string Format = "%e %U %S %M";

    /// <summary>Runs a program under <c>time</c>, which knows what the kernel counted.</summary>
    /// <exception cref="InvalidOperationException">It failed; the message has what it said.</exception>
    public static async Task<ProcessCost> RunAsync(string program, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> variables, string folder, CancellationToken cancellationToken)
    {
        var report = Path.Combine(Path.GetTempPath(), $"marionette-time-{Guid.NewGuid():n}");
        var start = new ProcessStartInfo("/usr/bin/time", ["-f", Format, "-o", report, program, .. arguments])
        {
            RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = folder,
        };
        foreach (var (name, value) in variables) start.Environment[name] = value;
        var began = Stopwatch.GetTimestamp();
        using var process = Process.Start(start)!;
        try
        {
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(cancellationToken), process.StandardError.ReadToEndAsync(cancellationToken));
            await process.WaitForExitAsync(cancellationToken);
            var took = Stopwatch.GetElapsedTime(began).TotalSeconds; // finer than the hundredths of "time"
            if (process.ExitCode != 0) throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {await errors}");
            var numbers = (await File.ReadAllTextAsync(report, cancellationToken)).Split(' ').Select(text => double.Parse(text, CultureInfo.InvariantCulture)).ToArray();
            return new ProcessCost(took, numbers[1] + numbers[2], (long)numbers[3] * 1024, await output);
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
            File.Delete(report);
        }
    }
}

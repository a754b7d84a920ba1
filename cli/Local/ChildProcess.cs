using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Marionette.Cli.Local;

/// <summary>
/// A server of ours that this command started and will stop. It lives in a session of its own, so that Ctrl-C in the terminal reaches
/// this command alone, which then stops things in order. Its output goes straight to a file: no pipe that could fill or break.
/// </summary>
internal sealed partial class ChildProcess : IAsyncDisposable
{
    private const int SigTerm = 15;

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50);

    private readonly Process process;
    private readonly TimeProvider clock;
    private readonly TimeSpan patience;

    private ChildProcess(string name, Process process, string log, TimeProvider clock, TimeSpan patience)
    {
        Name = name;
        this.process = process;
        Log = log;
        this.clock = clock;
        this.patience = patience;
    }

    public string Name { get; }

    public string Log { get; }

    public int Id => process.Id;

    public bool HasExited => process.HasExited;

    /// <param name="log">File of its output, made anew.</param>
    /// <param name="patience">Between the polite signal and the kill.</param>
    public static ChildProcess Start(string name, IEnumerable<string> command, string log, TimeProvider clock, TimeSpan patience)
    {
        File.Delete(log);
        // sh is replaced by the program (exec), setsid by sh: the id stays the one that was started.
        var start = new ProcessStartInfo("setsid", ["/bin/sh", "-c", "exec \"$@\" >\"$MARIONETTE_CHILD_LOG\" 2>&1 </dev/null", "sh", .. command]);
        start.Environment["MARIONETTE_CHILD_LOG"] = log;
        return new ChildProcess(name, Process.Start(start)!, log, clock, patience);
    }

    /// <summary>Waits until something is there that the process makes.</summary>
    /// <exception cref="CliException">It ended first, or took too long. The end of its log is in the message's hint.</exception>
    public async Task<T> WaitForAsync<T>(Func<T?> look, TimeSpan limit, CancellationToken cancellationToken)
        where T : class
    {
        var began = clock.GetTimestamp();
        while (true)
        {
            if (look() is { } found)
                return found;
            if (process.HasExited)
                throw new CliException($"{Name} ended with {process.ExitCode} before it was ready: {LastWords()}", $"Its log: {Log}");
            if (clock.GetElapsedTime(began) > limit)
                throw new CliException($"{Name} is not ready after {limit.TotalSeconds:0} s: {LastWords()}", $"Its log: {Log}");
            await Task.Delay(Look, clock, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The polite signal, then the other one.</summary>
    /// <returns>False when it had to be killed.</returns>
    public async Task<bool> StopAsync()
    {
        if (process.HasExited)
            return true;
        _ = Kill(process.Id, SigTerm);
        using var limit = new CancellationTokenSource(patience, clock);
        try
        {
            await process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        process.Dispose();
    }

    private string LastWords()
    {
        try
        {
            return File.ReadLines(Log).LastOrDefault(line => line.Trim().Length > 0)?.Trim() ?? "it said nothing";
        }
        catch (IOException)
        {
            return "it said nothing";
        }
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int process, int signal);
}

using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Marionette.Bench.Stack;

/// <summary>A program of ours that runs until it is told to end. What it says is kept in a file.</summary>
internal sealed class ServerProcess : IAsyncDisposable
{
    public const int SigKill = 9, SigTerm = 15, SigStop = 19;

    private static readonly TimeSpan Goodbye = TimeSpan.FromSeconds(60), Patience = TimeSpan.FromMinutes(3), Look = TimeSpan.FromMilliseconds(50);

    private readonly Process _process;
    private readonly string _file;
    private readonly StreamWriter _log;

    private ServerProcess(Process process, string file) => (_process, _file, _log) = (process, file, new StreamWriter(file) { AutoFlush = true });

    public int Pid => _process.Id;

    /// <summary>All that it has said.</summary>
    public string Output
    {
        get
        {
            using var stream = new FileStream(_file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            using var reader = new StreamReader(stream);
            return reader.ReadToEnd();
        }
    }

    /// <param name="file">Takes what it says; its folder must exist.</param>
    public static ServerProcess Start(string program, IEnumerable<string> arguments, string file)
    {
        var process = new Process { StartInfo = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true } };
        var server = new ServerProcess(process, file);
        process.OutputDataReceived += server.Keep;
        process.ErrorDataReceived += server.Keep;
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return server;
    }

    /// <summary>Waits for what it is to bring about.</summary>
    /// <exception cref="InvalidOperationException">It ended, or took too long; the message has its words.</exception>
    public async Task UntilAsync(Func<Task<bool>> condition, string what, CancellationToken cancellationToken)
    {
        for (var began = Stopwatch.GetTimestamp(); !await condition(); await Task.Delay(Look, cancellationToken))
        {
            if (_process.HasExited) throw new InvalidOperationException($"{_process.StartInfo.FileName} ended with {_process.ExitCode}: {Output}");
            if (Stopwatch.GetElapsedTime(began) > Patience) throw new InvalidOperationException($"waited {Patience.TotalMinutes} min for {what}: {Output}");
        }
    }

    /// <summary>Sends a signal, unless it has ended. Returns at once.</summary>
    public void Signal(int signal)
    {
        if (!_process.HasExited) Signal(_process.Id, signal);
    }

    /// <summary>Ends it: a clean stop, and the other way where it takes too long.</summary>
    public async ValueTask DisposeAsync()
    {
        Signal(SigTerm);
        using var patience = new CancellationTokenSource(Goodbye);
        try
        {
            await _process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            _process.Kill();
            await _process.WaitForExitAsync(CancellationToken.None);
        }

        _process.Dispose();
        await _log.DisposeAsync();
    }

    public static void Signal(int pid, int signal) => _ = Kill(pid, signal);

    private void Keep(object sender, DataReceivedEventArgs line)
    {
        if (line.Data is null) return;
        lock (_log) _log.WriteLine(line.Data);
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static extern int Kill(int pid, int signal);
}

using System.Runtime.InteropServices;

namespace Marionette.Agent.Hosting;

/// <summary>Waits for the configuration that makes a warm agent somebody's.</summary>
internal static class Standby
{
    // The kernel tells of the file at once. Sandboxes that keep a file system of their own may not: there a look finds it.
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100);

    /// <returns>False: told to end before it came.</returns>
    public static async Task<bool> WaitForAsync(string path, TimeProvider clock)
    {
        var signal = new AsyncSignal();
        var ended = false;
        void End(PosixSignalContext context)
        {
            context.Cancel = true;
            Volatile.Write(ref ended, true);
            signal.Set();
        }

        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        Directory.CreateDirectory(folder);
        using var watcher = new FileSystemWatcher(folder) { NotifyFilter = NotifyFilters.FileName };
        watcher.Created += (_, _) => signal.Set();
        watcher.Renamed += (_, _) => signal.Set();
        watcher.EnableRaisingEvents = true;
        while (!File.Exists(path))
        {
            if (Volatile.Read(ref ended))
                return false;
            using var pause = new CancellationTokenSource(Look, clock);
            try
            {
                await signal.WaitAsync(pause.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                // Nothing was told: look.
            }
        }

        return true;
    }
}

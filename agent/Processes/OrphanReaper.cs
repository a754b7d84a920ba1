using System.Runtime.InteropServices;
using Marionette.Agent.Hosting;

namespace Marionette.Agent.Processes;

/// <summary>
/// The duty of a first process: whatever loses its parent becomes its child, and stays a zombie until it takes its status. Agents start
/// servers and forget them, and each zombie counts against the runner's limit of processes.
/// </summary>
internal sealed class OrphanReaper : IDisposable
{
    // A build that ends thousands of processes is looked through a few times, not thousands.
    private static readonly TimeSpan Rest = TimeSpan.FromMilliseconds(50);

    private readonly CancellationTokenSource life = new();
    private readonly AsyncSignal ended = new();
    private readonly PosixSignalRegistration registration;

    private OrphanReaper(TimeProvider clock)
    {
        registration = PosixSignalRegistration.Create(PosixSignal.SIGCHLD, _ => ended.Set());
        ended.Set();
        _ = RunAsync(clock);
    }

    /// <returns>Null when this is not the first process: somebody else has the duty.</returns>
    public static OrphanReaper? StartWhenFirst(TimeProvider clock) => Environment.ProcessId == 1 ? new OrphanReaper(clock) : null;

    public void Dispose()
    {
        registration.Dispose();
        life.Cancel();
    }

    private async Task RunAsync(TimeProvider clock)
    {
        try
        {
            while (true)
            {
                await ended.WaitAsync(life.Token).ConfigureAwait(false);
                ChildProcess.ReapStrangers();
                await Task.Delay(Rest, clock, life.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The process ends, and with it everything in its namespace.
        }
    }
}

using System.Runtime.InteropServices;

namespace Marionette.Agent.Processes;

/// <summary>
/// The duty of a first process: whatever loses its parent becomes its child, and stays a zombie until it takes its status. Agents start
/// servers and forget them, and each zombie counts against the runner's limit of processes.
/// </summary>
internal sealed class OrphanReaper : IDisposable
{
    // A build that ends thousands of processes is looked through a few times, not thousands. Where there is no child at all, none can be orphaned either.
    private static readonly TimeSpan Rest = TimeSpan.FromMilliseconds(50), Alone = TimeSpan.FromMilliseconds(500);

    // Held for good: without it the runtime would put its handler there again.
    private static PosixSignalRegistration? taken;

    private readonly CancellationTokenSource life = new();

    private OrphanReaper()
    {
        LeaveStatusesAlone();
        new Thread(Watch, 128 * 1024) { IsBackground = true, Name = "reaper" }.Start();
    }

    /// <returns>Null when this is not the first process: somebody else has the duty.</returns>
    public static OrphanReaper? StartWhenFirst() => Environment.ProcessId == 1 ? new OrphanReaper() : null;

    public void Dispose() => life.Cancel();

    /// <summary>
    /// In a first process the runtime takes the status of every child as soon as a handler of its own stands for SIGCHLD, and its console brings one:
    /// the exit code of an agent's program would be lost to whoever was quicker. It puts the handler there once; so it is made to, and the signal is then
    /// given back its default.
    /// </summary>
    private static void LeaveStatusesAlone()
    {
        taken ??= PosixSignalRegistration.Create(PosixSignal.SIGCHLD, _ => { });
        _ = Libc.SetSignal(Libc.SigChild, 0);
    }

    private void Watch()
    {
        var ended = life.Token.WaitHandle;
        while (!life.IsCancellationRequested)
        {
            var some = Libc.WaitForAnyEnd();
            try
            {
                if (some)
                    ChildProcess.ReapStrangers();
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // No descriptor is left to read the list of processes with: it is read again in a moment, and this thread must not end the program.
            }

            ended.WaitOne(some ? Rest : Alone);
        }
    }
}

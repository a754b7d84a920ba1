using System.Runtime.InteropServices;

namespace Marionette.Cli.Live;

/// <summary>Ctrl-C, a polite kill and a closed terminal, handed to a listener instead of ending the process.</summary>
internal static class Signals
{
    public static IDisposable Listen(Action<PosixSignal> listener)
    {
        PosixSignal[] signals = [PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP];
        return new Registrations([.. signals.Select(signal => PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = true;
            listener(context.Signal);
        }))]);
    }

    private sealed class Registrations(PosixSignalRegistration[] all) : IDisposable
    {
        public void Dispose()
        {
            foreach (var registration in all)
                registration.Dispose();
        }
    }
}

using System.Globalization;
using System.Runtime.InteropServices;

namespace Marionette.Agent.Processes;

/// <summary>
/// The step between the agent and a child's program. A child must die with the agent, even when that is killed outright, and
/// only the child itself can ask the kernel for that; so the agent starts its own binary with the hidden verb <c>child</c>,
/// which sets the process up and then becomes the program.
/// </summary>
internal static unsafe class ChildLauncher
{
    /// <summary>First argument that selects this mode: <c>child PARENT_PID DESCRIPTORS DIRECTORY PROGRAM [ARGUMENT…]</c>.</summary>
    public const string Verb = "child";

    /// <summary>Exit code when the program could not be started, as shells have it.</summary>
    public const int CannotStart = 127;

    private const int Prefix = 4;

    /// <summary>The binary that offers <see cref="Verb"/>: this one. Settable for hosts that are not it, such as tests.</summary>
    public static string Binary { get; set; } =
        Environment.ProcessPath ?? Path.Combine(AppContext.BaseDirectory, "marionette-agent");

    /// <summary>Turns this process into the program. Returns only when that failed.</summary>
    public static int Run(string[] arguments)
    {
        if (arguments.Length <= Prefix
            || !int.TryParse(arguments[1], NumberStyles.None, CultureInfo.InvariantCulture, out var parent)
            || !uint.TryParse(arguments[2], NumberStyles.None, CultureInfo.InvariantCulture, out var descriptors))
            return Fail("usage: child PARENT_PID DESCRIPTORS DIRECTORY PROGRAM [ARGUMENT...]");
        if (Libc.Prctl(Libc.PrSetParentDeathSignal, Libc.SigKill, 0, 0, 0) != 0)
            return Fail("prctl: " + Marshal.GetLastPInvokeErrorMessage());
        if (Libc.GetParentPid() != parent)
            return Fail("the agent is gone"); // it died before the kernel was asked
        // Best effort, both: a root child must not read the agent's memory, and when memory runs out the child goes first.
        _ = Libc.Prctl(Libc.PrDropCapability, Libc.CapSysPtrace, 0, 0, 0);
        OfferToOutOfMemoryKiller();
        if (Libc.ChangeDirectory(arguments[3]) != 0)
            return Fail($"cannot enter {arguments[3]}: {Marshal.GetLastPInvokeErrorMessage()}");
        // What whoever started the agent left open by accident ends here.
        _ = Libc.SystemCall(Libc.CloseRange, (nint)descriptors, unchecked((nint)uint.MaxValue), Libc.CloseRangeOnExec);
        // The runtime ignores SIGPIPE, and ignored signals outlive exec: a child's `yes | head` would never end.
        _ = Libc.SetSignal(Libc.SigPipe, 0);
        using var program = new Utf8Strings(arguments[Prefix..]);
        _ = Libc.Execute(program.Pointer[0], program.Pointer);
        return Fail($"cannot start {arguments[Prefix]}: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    private static void OfferToOutOfMemoryKiller()
    {
        try
        {
            File.WriteAllText("/proc/self/oom_score_adj", "500");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // No /proc, or a sandbox that forbids it.
        }
    }

    private static int Fail(string message)
    {
        Console.Error.WriteLine("marionette-agent: " + message);
        return CannotStart;
    }
}

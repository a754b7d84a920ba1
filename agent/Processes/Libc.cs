using System.Runtime.InteropServices;

namespace Marionette.Agent.Processes;

/// <summary>The few system calls that the base library does not offer.</summary>
internal static unsafe partial class Libc
{
    public const int SigInt = 2;
    public const int SigKill = 9;
    public const int SigPipe = 13;
    public const int SigTerm = 15;
    public const int SigChild = 17;
    public const int OpenCloseOnExec = 0x80000;
    public const int PrSetParentDeathSignal = 1;
    public const int PrSetDumpable = 4;
    public const int PrDropCapability = 24;
    public const int CapSysPtrace = 19;
    public const nint CloseRange = 436;
    public const nint CloseRangeOnExec = 4;
    public const short SpawnSetSignalDefaults = 0x04;
    public const short SpawnSetSignalMask = 0x08;
    public const short SpawnSetSession = 0x80;

    /// <summary>More than any libc needs for its attribute, action or signal set structures.</summary>
    public const int OpaqueSize = 1024;

    private const int WaitNot = 1;
    private const int WaitExited = 0x4;
    private const int WaitKeep = 0x01000000;
    private const int WaitForAny = 0;
    private const int WaitForPid = 1;
    private const int Interrupted = 4;

    /// <summary>Random bytes from the kernel; unlike the base library's generator this loads no cryptography library.</summary>
    public static byte[] RandomBytes(int count)
    {
        var bytes = new byte[count];
        var filled = 0;
        while (filled < count)
        {
            fixed (byte* target = bytes)
            {
                var read = (int)GetRandom(target + filled, (nuint)(count - filled), 0);
                if (read < 0 && Marshal.GetLastPInvokeError() != Interrupted)
                    throw new IOException("getrandom: " + Marshal.GetLastPInvokeErrorMessage());
                filled += Math.Max(read, 0);
            }
        }

        return bytes;
    }

    /// <summary>A pipe whose ends no child inherits by accident.</summary>
    public static (int Read, int Write) Pipe()
    {
        var ends = stackalloc int[2];
        if (Pipe2(ends, OpenCloseOnExec) != 0)
            throw new IOException("pipe2: " + Marshal.GetLastPInvokeErrorMessage());
        return (ends[0], ends[1]);
    }

    /// <summary>Blocks until the child has ended, and leaves it to be reaped by <see cref="Reap"/>.</summary>
    public static void WaitForEnd(int pid)
    {
        var info = stackalloc byte[OpaqueSize];
        while (WaitId(WaitForPid, (uint)pid, info, WaitExited | WaitKeep) != 0
               && Marshal.GetLastPInvokeError() == Interrupted)
        {
        }
    }

    /// <summary>Blocks until some child has ended, and leaves it to be reaped.</summary>
    /// <returns>False: there is no child.</returns>
    public static bool WaitForAnyEnd()
    {
        var info = stackalloc byte[OpaqueSize];
        while (WaitId(WaitForAny, 0, info, WaitExited | WaitKeep) != 0)
        {
            if (Marshal.GetLastPInvokeError() != Interrupted)
                return false;
        }

        return true;
    }

    /// <summary>Takes the status of a child that has ended; from here on its pid may be given to another process.</summary>
    public static ExitStatus Reap(int pid)
    {
        int status;
        int result;
        do
        {
            result = WaitPid(pid, &status, 0);
        }
        while (result < 0 && Marshal.GetLastPInvokeError() == Interrupted);
        if (result != pid)
            return default;
        var signal = status & 0x7f;
        return signal == 0 ? new ExitStatus((status >> 8) & 0xff, null) : new ExitStatus(null, signal);
    }

    /// <summary>Takes the status of a child if it has ended.</summary>
    /// <returns>False when it runs, or is no child of this process.</returns>
    public static bool TryReap(int pid)
    {
        int status;
        return WaitPid(pid, &status, WaitNot) == pid;
    }

    [LibraryImport("libc", EntryPoint = "prctl", SetLastError = true)]
    public static partial int Prctl(int option, nuint argument2, nuint argument3, nuint argument4, nuint argument5);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    public static partial int Kill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "getppid")]
    public static partial int GetParentPid();

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    public static partial nint SystemCall(nint number, nint argument1, nint argument2, nint argument3);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    public static partial nint Write(int descriptor, byte* bytes, nuint count);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    public static partial nint Read(int descriptor, byte* bytes, nuint count);

    [LibraryImport("libc", EntryPoint = "chdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int ChangeDirectory(string path);

    [LibraryImport("libc", EntryPoint = "signal", SetLastError = true)]
    public static partial nint SetSignal(int signal, nint handler);

    [LibraryImport("libc", EntryPoint = "execv", SetLastError = true)]
    public static partial int Execute(byte* file, byte** arguments);

    [LibraryImport("libc", EntryPoint = "posix_spawn")]
    public static partial int Spawn(int* pid, byte* file, byte* actions, byte* attributes, byte** arguments, byte** environment);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_init")]
    public static partial int InitAttributes(byte* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setflags")]
    public static partial int SetFlags(byte* attributes, short flags);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setsigdefault")]
    public static partial int SetSignalDefaults(byte* attributes, byte* set);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setsigmask")]
    public static partial int SetSignalMask(byte* attributes, byte* set);

    [LibraryImport("libc", EntryPoint = "sigemptyset")]
    public static partial int EmptySet(byte* set);

    [LibraryImport("libc", EntryPoint = "sigfillset")]
    public static partial int FullSet(byte* set);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_init")]
    public static partial int InitActions(byte* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_adddup2")]
    public static partial int AddDuplicate(byte* actions, int descriptor, int target);

    [LibraryImport("libc", EntryPoint = "getrandom", SetLastError = true)]
    private static partial nint GetRandom(byte* target, nuint count, uint flags);

    [LibraryImport("libc", EntryPoint = "pipe2", SetLastError = true)]
    private static partial int Pipe2(int* ends, int flags);

    [LibraryImport("libc", EntryPoint = "waitid", SetLastError = true)]
    private static partial int WaitId(int kind, uint id, byte* info, int options);

    [LibraryImport("libc", EntryPoint = "waitpid", SetLastError = true)]
    private static partial int WaitPid(int pid, int* status, int options);
}

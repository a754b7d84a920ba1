using System.Globalization;
using System.IO.Pipes;
using System.Runtime.InteropServices;
using Marionette.Agent.Egress.Namespaces;
using Marionette.Agent.Processes;
using Microsoft.Win32.SafeHandles;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>
/// Starts programs that outlive this process, in a session of their own. They are born in the namespaces of the calling thread, which is what
/// the first process of a sandbox needs; <see cref="System.Diagnostics.Process"/> promises neither.
/// </summary>
internal static unsafe class SystemProgram
{
    private const int Capacity = 64 * 1024;
    private const int FirstFree = 3; // descriptor that is not one of the standard ones

    // The tools that are called are those of the system, wherever this process was started from.
    private const string SystemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    // Nothing of this process's own environment, which may hold secrets.
    private static readonly string[] Environment = ["PATH=" + SystemPath, "LANG=C.UTF-8", "DOTNET_EnableDiagnostics=0"];

    /// <summary>Where a program is in the system's folders; null when this machine has none.</summary>
    public static string? Find(string name) => SystemPath.Split(':').Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    /// <summary>Starts a program. It gets the three descriptors and no other one of this process.</summary>
    /// <param name="arguments">Absolute path, then its arguments.</param>
    /// <returns>Its process id. Somebody has to reap it.</returns>
    /// <exception cref="IOException">The system refused.</exception>
    public static int Start(IReadOnlyList<string> arguments, int input, int output, int error)
    {
        var opaque = (byte*)NativeMemory.AllocZeroed(4 * Libc.OpaqueSize);
        try
        {
            var actions = opaque;
            var attributes = opaque + Libc.OpaqueSize;
            var signals = opaque + (2 * Libc.OpaqueSize);
            var mask = opaque + (3 * Libc.OpaqueSize);
            Check(Libc.InitActions(actions));
            Check(Libc.AddDuplicate(actions, input, 0));
            Check(Libc.AddDuplicate(actions, output, 1));
            Check(Libc.AddDuplicate(actions, error, 2));
            Check(Libc.InitAttributes(attributes));
            _ = Libc.FullSet(signals);
            _ = Libc.EmptySet(mask);
            Check(Libc.SetSignalDefaults(attributes, signals));
            Check(Libc.SetSignalMask(attributes, mask));
            Check(Libc.SetFlags(attributes, Libc.SpawnSetSession | Libc.SpawnSetSignalDefaults | Libc.SpawnSetSignalMask));
            // What whoever started this process left open in it is nobody's business in what outlives it.
            _ = Libc.SystemCall(Libc.CloseRange, FirstFree, unchecked((nint)uint.MaxValue), Libc.CloseRangeOnExec);
            using var argv = new Utf8Strings(arguments);
            using var environment = new Utf8Strings(Environment);
            int pid;
            Check(Libc.Spawn(&pid, argv.Pointer[0], actions, attributes, argv.Pointer, environment.Pointer));
            return pid;
        }
        finally
        {
            NativeMemory.Free(opaque);
        }
    }

    /// <summary>Runs a program of the system to its end; blocks.</summary>
    /// <returns>What it wrote, the newest 64 KiB.</returns>
    /// <exception cref="IOException">It is missing, failed or took longer; the message holds its words.</exception>
    public static string Run(TimeSpan limit, params IReadOnlyList<string> arguments) => RunToEnd(limit, Located(arguments), Path.GetFileName(arguments[0]), 0);

    /// <summary>The same for a program that must not outlive this process: it would work beside the next one on the same files.</summary>
    /// <param name="launcher">The agent's program.</param>
    /// <param name="limit">How long it may take.</param>
    /// <param name="alsoGood">An exit code that is a success as well.</param>
    /// <param name="arguments">The program and its arguments.</param>
    public static string RunTied(string launcher, TimeSpan limit, int alsoGood, params IReadOnlyList<string> arguments) => RunToEnd(
        limit,
        [
            launcher, ChildLauncher.Verb, System.Environment.ProcessId.ToString(CultureInfo.InvariantCulture),
                FirstFree.ToString(CultureInfo.InvariantCulture), "/",
            .. Located(arguments),
        ],
        Path.GetFileName(arguments[0]), alsoGood);

    private static IReadOnlyList<string> Located(IReadOnlyList<string> arguments) => arguments[0].StartsWith('/')
        ? arguments
        : [Find(arguments[0]) ?? throw new IOException($"{arguments[0]} is missing"), .. arguments.Skip(1)];

    // The thread that starts it waits for it: a program that is tied to its parent is tied to that thread.
    private static string RunToEnd(TimeSpan limit, IReadOnlyList<string> command, string name, int alsoGood)
    {
        var pipe = Libc.Pipe();
        var nothing = NetCalls.Open("/dev/null", NetCalls.CloseOnExec);
        int pid;
        try
        {
            pid = Start(command, nothing, pipe.Write, pipe.Write);
        }
        catch
        {
            _ = Libc.Close(pipe.Read);
            throw;
        }
        finally
        {
            _ = Libc.Close(pipe.Write);
            _ = Libc.Close(nothing);
        }

        var reaped = false;
        var late = false;
        var gate = new Lock();
        using var timer = new Timer(
            _ =>
            {
                lock (gate)
                {
                    if (reaped)
                        return;
                    late = true;
                    _ = Libc.Kill(-pid, Libc.SigKill);
                }
            },
            null, limit, Timeout.InfiniteTimeSpan);
        var said = ReadToEnd(pipe.Read);
        Libc.WaitForEnd(pid);
        ExitStatus status;
        lock (gate)
        {
            status = Libc.Reap(pid);
            reaped = true;
        }

        if (status.Code is { } code && (code == 0 || code == alsoGood))
            return said;
        throw new IOException($"{name}: {(late ? $"not done within {limit.TotalSeconds:0} s" : status.ToString())}: {said.Trim()}");
    }

    private static string ReadToEnd(int descriptor)
    {
        using var stream = new AnonymousPipeClientStream(PipeDirection.In, new SafePipeHandle(descriptor, true));
        var tail = new TextTail(Capacity);
        var buffer = new byte[4096];
        for (int read; (read = stream.Read(buffer)) > 0;)
            tail.Add(buffer.AsSpan(0, read));
        return tail.ToString();
    }

    private static void Check(int error)
    {
        if (error != 0)
            throw new IOException("posix_spawn: " + Marshal.GetPInvokeErrorMessage(error));
    }
}

using System.Globalization;
using System.IO.Pipes;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Marionette.Agent.Processes;

/// <summary>What to start.</summary>
internal sealed record ChildSpec
{
    /// <summary>Absolute path of the program.</summary>
    public required string File { get; init; }

    /// <summary>Arguments after the program's name.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>The whole environment; nothing of the agent's own is inherited.</summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    public required string WorkingDirectory { get; init; }

    /// <summary>Bytes that the child finds on descriptor 3, at most 4096; null for none. For what must not stand in its environment.</summary>
    public byte[]? Descriptor3 { get; init; }
}

/// <summary>
/// A child in its own session, hence process group, that the kernel kills when the agent ends. Its real end, code or signal, is
/// known. <see cref="System.Diagnostics.Process"/> offers none of the three.
/// </summary>
internal sealed unsafe class ChildProcess : IDisposable
{
    // Children that somebody here waits for: their status is not for the reaper to take.
    private static readonly HashSet<int> Own = [];

    private readonly Lock gate = new();
    private readonly TaskCompletionSource<ExitStatus> exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool reaped;

    private ChildProcess(int pid, Stream input, Stream output, Stream error)
    {
        Pid = pid;
        Input = input;
        Output = output;
        Error = error;
    }

    /// <summary>Also the id of its session and process group.</summary>
    public int Pid { get; }

    /// <summary>Its standard input; dispose to send end of file.</summary>
    public Stream Input { get; }

    public Stream Output { get; }

    public Stream Error { get; }

    /// <summary>Completes when the process has ended; its output may still hold bytes to read.</summary>
    public Task<ExitStatus> Exited => exited.Task;

    /// <summary>Starts a child.</summary>
    /// <exception cref="IOException">The system refused (no memory, too many processes).</exception>
    public static Task<ChildProcess> StartAsync(ChildSpec spec)
    {
        var started = new TaskCompletionSource<ChildProcess>(TaskCreationOptions.RunContinuationsAsynchronously);
        // The kernel's "die with your parent" means the thread that started the child: it waits here until the child has ended.
        var thread = new Thread(() => StartAndWait(spec, started), 128 * 1024) { IsBackground = true, Name = "child" };
        thread.Start();
        return started.Task;
    }

    /// <summary>Sends a signal to the whole process group. Nothing happens once it was reaped.</summary>
    public void Signal(int signal)
    {
        lock (gate)
        {
            if (!reaped)
                _ = Libc.Kill(-Pid, signal);
        }
    }

    /// <summary>Kills the group, and every process below the child that went into a group of its own.</summary>
    public void KillTree()
    {
        var below = ProcessTree.Below(Pid);
        Signal(Libc.SigKill);
        foreach (var (pid, startTime) in below)
            ProcessTree.KillIfSame(pid, startTime);
    }

    /// <summary>Takes the status of every child that nobody here started.</summary>
    public static void ReapStrangers()
    {
        // The lock is held from the start of a child until it is in the set: none of ours is taken for a stranger.
        lock (Own)
        {
            foreach (var pid in ProcessTree.EndedChildren(Environment.ProcessId).Where(pid => !Own.Contains(pid)))
                _ = Libc.Reap(pid);
        }
    }

    /// <summary>Closes this side's pipes. Does not end the process.</summary>
    public void Dispose()
    {
        Input.Dispose();
        Output.Dispose();
        Error.Dispose();
    }

    private static void StartAndWait(ChildSpec spec, TaskCompletionSource<ChildProcess> started)
    {
        ChildProcess child;
        try
        {
            child = Spawn(spec);
        }
        catch (Exception exception)
        {
            started.SetException(exception);
            return;
        }

        started.SetResult(child);
        Libc.WaitForEnd(child.Pid);
        ExitStatus status;
        lock (child.gate)
        {
            // Between the end and the reaping the pid is still ours: what the child left in its group ends with it.
            _ = Libc.Kill(-child.Pid, Libc.SigKill);
            lock (Own)
            {
                status = Libc.Reap(child.Pid);
                Own.Remove(child.Pid);
            }

            child.reaped = true;
        }

        child.exited.SetResult(status);
    }

    private static ChildProcess Spawn(ChildSpec spec)
    {
        var pipes = new List<(int Read, int Write)>();
        try
        {
            for (var i = 0; i < (spec.Descriptor3 is null ? 3 : 4); i++)
                pipes.Add(Libc.Pipe());
            if (spec.Descriptor3 is { } secret)
            {
                // Fits into the pipe's buffer: nobody has to read yet.
                fixed (byte* bytes = secret)
                    _ = Libc.Write(pipes[3].Write, bytes, (nuint)Math.Min(secret.Length, 4096));
            }

            var pid = Spawn(spec, pipes);
            CloseAll([pipes[0].Read, pipes[1].Write, pipes[2].Write]);
            var result = new ChildProcess(
                pid,
                new AnonymousPipeClientStream(PipeDirection.Out, new SafePipeHandle(pipes[0].Write, true)),
                new AnonymousPipeClientStream(PipeDirection.In, new SafePipeHandle(pipes[1].Read, true)),
                new AnonymousPipeClientStream(PipeDirection.In, new SafePipeHandle(pipes[2].Read, true)));
            if (pipes.Count > 3)
                CloseAll([pipes[3].Read, pipes[3].Write]);
            return result;
        }
        catch
        {
            CloseAll(pipes.SelectMany(pipe => new[] { pipe.Read, pipe.Write }));
            throw;
        }
    }

    private static int Spawn(ChildSpec spec, List<(int Read, int Write)> pipes)
    {
        var opaque = (byte*)NativeMemory.AllocZeroed(4 * Libc.OpaqueSize);
        try
        {
            var actions = opaque;
            var attributes = opaque + Libc.OpaqueSize;
            var signals = opaque + (2 * Libc.OpaqueSize);
            var mask = opaque + (3 * Libc.OpaqueSize);
            Check(Libc.InitActions(actions));
            Check(Libc.AddDuplicate(actions, pipes[0].Read, 0));
            Check(Libc.AddDuplicate(actions, pipes[1].Write, 1));
            Check(Libc.AddDuplicate(actions, pipes[2].Write, 2));
            if (pipes.Count > 3)
                Check(Libc.AddDuplicate(actions, pipes[3].Read, 3));
            Check(Libc.InitAttributes(attributes));
            _ = Libc.FullSet(signals);
            _ = Libc.EmptySet(mask);
            Check(Libc.SetSignalDefaults(attributes, signals));
            Check(Libc.SetSignalMask(attributes, mask));
            Check(Libc.SetFlags(
                attributes, Libc.SpawnSetSession | Libc.SpawnSetSignalDefaults | Libc.SpawnSetSignalMask));
            var parent = Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
            var descriptors = pipes.Count.ToString(CultureInfo.InvariantCulture);
            string[] head = [ChildLauncher.Binary, ChildLauncher.Verb, parent, descriptors, spec.WorkingDirectory, spec.File];
            using var arguments = new Utf8Strings([.. head, .. spec.Arguments]);
            using var environment = new Utf8Strings([.. spec.Environment.Select(pair => pair.Key + "=" + pair.Value)]);
            int pid;
            lock (Own)
            {
                Check(Libc.Spawn(&pid, arguments.Pointer[0], actions, attributes, arguments.Pointer, environment.Pointer));
                Own.Add(pid);
            }

            return pid;
        }
        finally
        {
            NativeMemory.Free(opaque);
        }
    }

    private static void Check(int error)
    {
        if (error != 0)
            throw new IOException("posix_spawn: " + Marshal.GetPInvokeErrorMessage(error));
    }

    private static void CloseAll(IEnumerable<int> descriptors)
    {
        foreach (var descriptor in descriptors)
            _ = Libc.Close(descriptor);
    }
}

using System.IO.Pipes;
using System.Text;
using System.Text.Json;
using Marionette.Agent.Egress.Namespaces;
using Marionette.Agent.Hosting;
using Marionette.Agent.Processes;
using Microsoft.Win32.SafeHandles;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>
/// The first process of a sandbox, outside of it: it holds the namespaces of network and mounts, starts what runs in them, and writes down how
/// that ended. It outlives the daemon. Everything happens on the thread that entered the namespaces.
/// </summary>
/// <remarks>Standard input: the plan, a line; then "go", once the network stands. Standard output: "ready", "started", or the trouble.</remarks>
internal static class SandboxInit
{
    public const string Verb = "sandbox-init";

    /// <summary>How a line begins that tells why a sandbox could not be started.</summary>
    public const string Trouble = "sandbox: ";

    public const string Ready = "ready", Go = "go", Started = "started";

    private const int LongestLine = 4 << 20;
    private const int KeptWords = 16 * 1024;

    /// <summary>Runs it to the end of the sandbox.</summary>
    public static int Run()
    {
        using var input = Console.OpenStandardInput();
        using var output = Console.OpenStandardOutput();
        try
        {
            var plan = JsonSerializer.Deserialize(ReadLine(input) ?? "", SandboxJsonContext.Default.SandboxPlan) ?? throw new IOException("no plan");
            if (SandboxCalls.Unshare(NetCalls.NewNetworkNamespace | SandboxCalls.NewMountNamespace) != 0)
                throw NetCalls.Failure("unshare");
            var view = SandboxView.Make(plan);
            WriteLine(output, Ready);
            // The end of the input instead: whoever wanted it is gone, and nothing has run yet.
            return ReadLine(input) == Go ? Hold(plan, view, output) : ExitCodes.Stopped;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException or PlatformNotSupportedException)
        {
            WriteLine(output, Trouble + exception.Message.ReplaceLineEndings(" "));
            return ExitCodes.BadConfiguration;
        }
    }

    private static int Hold(SandboxPlan plan, string view, Stream output)
    {
        var words = Libc.Pipe();
        var told = Libc.Pipe();
        var pid = SystemProgram.Start(SandboxChild.Command(plan), told.Read, words.Write, words.Write);
        _ = Libc.Close(told.Read);
        _ = Libc.Close(words.Write);
        WriteLine(output, Started);
        LetGo();
        var said = new TextTail(KeptWords);
        // Told beside listening: it may be more than a pipe holds.
        var telling = new Thread(() => Tell(told.Write, plan.Input), 128 * 1024) { IsBackground = true };
        telling.Start();
        using (var stream = new AnonymousPipeClientStream(PipeDirection.In, new SafePipeHandle(words.Read, true)))
        {
            // To the end of the process, not of its output: something may have taken that along.
            var reading = new Thread(() => Listen(stream, said, Path.Combine(plan.Folder, AgentOutput.FileName)), 128 * 1024) { IsBackground = true };
            reading.Start();
            Libc.WaitForEnd(pid);
            reading.Join(TimeSpan.FromSeconds(1));
            var status = Libc.Reap(pid);
            string last;
            lock (said)
                last = said.ToString();
            var end = new SandboxEnd { Code = status.Code ?? 128 + (status.Signal ?? 0), FreeBytes = SandboxView.FreeBytes(view), Said = last };
            WholeFile.Write(Path.Combine(plan.Folder, SandboxEnd.FileName), JsonSerializer.SerializeToUtf8Bytes(end, SandboxJsonContext.Default.SandboxEnd));
        }

        return ExitCodes.Stopped;
    }

    private static void Tell(int descriptor, string input)
    {
        using var stream = new AnonymousPipeClientStream(PipeDirection.Out, new SafePipeHandle(descriptor, true));
        try
        {
            stream.Write(Encoding.UTF8.GetBytes(input));
        }
        catch (IOException)
        {
            // It ended without reading: its end tells.
        }
    }

    private static void Listen(Stream stream, TextTail said, string file)
    {
        using var log = new AgentOutput(file);
        var buffer = new byte[8192];
        try
        {
            for (int read; (read = stream.Read(buffer)) > 0;)
            {
                lock (said)
                    said.Add(buffer.AsSpan(0, read));
                log.Write(buffer.AsSpan(0, read));
            }
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            // The process has ended.
        }
    }

    // The daemon may be gone by the time that this is.
    private static void LetGo()
    {
        var nothing = NetCalls.Open("/dev/null", NetCalls.CloseOnExec | 2);
        for (var at = 0; at < 2; at++)
            _ = SandboxCalls.Duplicate(nothing, at);
    }

    private static string? ReadLine(Stream input)
    {
        using var line = new MemoryStream();
        for (int next; (next = input.ReadByte()) >= 0;)
        {
            if (next == '\n')
                return Encoding.UTF8.GetString(line.ToArray());
            if (line.Length == LongestLine)
                throw new IOException("the line is too long");
            line.WriteByte((byte)next);
        }

        return null;
    }

    private static void WriteLine(Stream output, string line)
    {
        output.Write(Encoding.UTF8.GetBytes(line + "\n"));
        output.Flush();
    }
}

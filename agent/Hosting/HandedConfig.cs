using System.Runtime.InteropServices;

namespace Marionette.Agent.Hosting;

/// <summary>
/// The configuration as one line of standard input: for agents that a provider talks to, and for warm agents, which wait for the line
/// that makes them somebody's. It lies in no file, no argument and no environment.
/// </summary>
internal static class HandedConfig
{
    /// <summary>Bytes that the line may have.</summary>
    public const int MostBytes = 1024 * 1024;

    /// <summary>Name of the thread that waits for it.</summary>
    public const string ThreadName = "configuration";

    /// <summary>Waits for the line, as long as it takes.</summary>
    /// <returns>The line without its end, also one that the input's end cut off; null: told to end before it came.</returns>
    /// <exception cref="IOException">It is longer than <see cref="MostBytes"/>, or cannot be read.</exception>
    public static async Task<byte[]?> WaitForAsync(Stream input)
    {
        var told = new TaskCompletionSource<byte[]?>(TaskCreationOptions.RunContinuationsAsynchronously);
        void End(PosixSignalContext context)
        {
            context.Cancel = true;
            told.TrySetResult(null);
        }

        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
        // A read of standard input cannot be taken back: it waits on a thread of its own, which ends with the process.
        new Thread(() => Read(input, told)) { IsBackground = true, Name = ThreadName }.Start();
        return await told.Task.ConfigureAwait(false);
    }

    private static void Read(Stream input, TaskCompletionSource<byte[]?> told)
    {
        try
        {
            told.TrySetResult(Line(input));
        }
        catch (IOException exception)
        {
            told.TrySetException(exception);
        }
    }

    private static byte[] Line(Stream input)
    {
        var line = new byte[4096];
        for (var length = 0; ;)
        {
            var count = input.Read(line, length, line.Length - length);
            var end = Array.IndexOf(line, (byte)'\n', length, count);
            if (end >= 0 || count == 0)
                return line[..(end >= 0 ? end : length)];
            length += count;
            if (length > MostBytes)
                throw new IOException($"it is longer than {MostBytes} bytes");
            if (length == line.Length)
                Array.Resize(ref line, 2 * line.Length);
        }
    }
}

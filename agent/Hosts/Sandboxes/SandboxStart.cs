using System.IO.Pipes;
using System.Text;
using Marionette.Agent.Processes;
using Microsoft.Win32.SafeHandles;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>The talk with a sandbox's first process until its program runs. Disposed before, it ends with nothing begun.</summary>
internal sealed class SandboxStart : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10); // a workspace of many files may change its user

    private readonly AnonymousPipeClientStream input;
    private readonly AnonymousPipeClientStream output;
    private readonly LineReader lines;

    private SandboxStart(int pid, int write, int read)
    {
        Pid = pid;
        input = new AnonymousPipeClientStream(PipeDirection.Out, new SafePipeHandle(write, true));
        output = new AnonymousPipeClientStream(PipeDirection.In, new SafePipeHandle(read, true));
        lines = new LineReader(output, 64 * 1024);
    }

    public int Pid { get; }

    /// <exception cref="IOException">The system refused.</exception>
    public static SandboxStart Begin(string binary, string folder)
    {
        var told = Libc.Pipe();
        var says = Libc.Pipe();
        try
        {
            using var log = File.OpenHandle(Path.Combine(folder, "sandbox.log"), FileMode.Create, FileAccess.Write, FileShare.ReadWrite);
            var pid = SystemProgram.Start([binary, SandboxInit.Verb], told.Read, says.Write, (int)log.DangerousGetHandle());
            return new SandboxStart(pid, told.Write, says.Read);
        }
        catch
        {
            _ = Libc.Close(told.Write);
            _ = Libc.Close(says.Read);
            throw;
        }
        finally
        {
            _ = Libc.Close(told.Read);
            _ = Libc.Close(says.Write);
        }
    }

    public async Task TellAsync(string line, CancellationToken cancellationToken) =>
        await input.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"), cancellationToken).ConfigureAwait(false);

    /// <exception cref="IOException">It says something else.</exception>
    public async Task HearAsync(string expected, CancellationToken cancellationToken)
    {
        var line = await LineAsync(cancellationToken).ConfigureAwait(false);
        if (line != expected)
            throw new IOException(line);
    }

    public void Dispose()
    {
        input.Dispose();
        output.Dispose();
    }

    private async Task<string> LineAsync(CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        while (true)
        {
            if (lines.TryTake(out var line, out _))
                return Encoding.UTF8.GetString(line.Span);
            if (!await lines.FillAsync(limit.Token).ConfigureAwait(false))
                throw new IOException("the first process of the sandbox ended");
        }
    }
}

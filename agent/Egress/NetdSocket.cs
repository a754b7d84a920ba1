using System.Net.Sockets;

namespace Marionette.Agent.Egress;

/// <summary>
/// netd's input and output on a Unix socket, for an asker that comes and goes while runners stay. It serves one at a time: the newest. What is
/// said while nobody is there waits, and notices are counted.
/// </summary>
internal sealed class NetdSocket : Stream
{
    private readonly Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly Lock gate = new();
    private readonly ManualResetEventSlim present = new();
    private Socket? client;

    /// <exception cref="IOException">It cannot listen there.</exception>
    public NetdSocket(string path)
    {
        try
        {
            File.Delete(path); // of one that is gone: whoever starts another one has made sure
            listener.Bind(new UnixDomainSocketEndPoint(path));
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            listener.Listen();
        }
        catch (SocketException exception)
        {
            throw new IOException($"{path}: {exception.Message}", exception);
        }
    }

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    // Written only, from one end: what CanRead and CanSeek deny is refused, as Stream asks for.
    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Serves askers until cancelled.</summary>
    public async Task ServeAsync(NetdServer server, CancellationToken cancellationToken)
    {
        var serving = Task.CompletedTask;
        try
        {
            while (true)
            {
                var next = await listener.AcceptAsync(cancellationToken).ConfigureAwait(false);
                // What the old one still waits for is written to the new one, which does not know it: nobody waits for a reader.
                Use(next)?.Shutdown(SocketShutdown.Both);
                await serving.ConfigureAwait(false);
                serving = ServeAsync(next, server, cancellationToken);
            }
        }
        catch (OperationCanceledException)
        {
            Use(null)?.Dispose();
        }
    }

    /// <summary>Writes to the asker that is there; waits for one.</summary>
    /// <exception cref="IOException">It went away.</exception>
    public override void Write(byte[] buffer, int offset, int count)
    {
        present.Wait();
        Socket? target;
        lock (gate)
            target = client;
        try
        {
            for (var sent = 0; target is not null && sent < count;)
                sent += target.Send(buffer.AsSpan(offset + sent, count - sent), SocketFlags.None);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            throw new IOException(exception.Message, exception);
        }
    }

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        Use(null)?.Dispose();
        listener.Dispose();
        base.Dispose(disposing);
    }

    private async Task ServeAsync(Socket socket, NetdServer server, CancellationToken cancellationToken)
    {
        await Task.Yield();
        try
        {
            var stream = new NetworkStream(socket, ownsSocket: true);
            await using (stream.ConfigureAwait(false))
                await server.ServeAsync(stream, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // netd ends.
        }
        finally
        {
            lock (gate)
            {
                if (client == socket)
                {
                    client = null;
                    present.Reset();
                }
            }
        }
    }

    private Socket? Use(Socket? next)
    {
        lock (gate)
        {
            var before = client;
            client = next;
            if (next is null)
                present.Reset();
            else
                present.Set();
            return before;
        }
    }
}

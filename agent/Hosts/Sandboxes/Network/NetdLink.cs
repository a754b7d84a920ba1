using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text.Json;
using Marionette.Agent.Processes;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>A connection to netd. Answers are known by their number; one of an earlier connection is nobody's.</summary>
internal sealed class NetdLink : IDisposable
{
    private const int LongestLine = 1 << 20;

    private readonly ConcurrentDictionary<long, TaskCompletionSource<NetdSays>> open = new();
    private readonly SemaphoreSlim writing = new(1);
    private readonly NetworkStream stream;
    private readonly Action<NetdSays> notice;
    private long next = BitConverter.ToUInt32(Libc.RandomBytes(4)) * (1L << 20);

    public NetdLink(Socket socket, Action<NetdSays> notice)
    {
        stream = new NetworkStream(socket, ownsSocket: true);
        this.notice = notice;
        Ended = ReadAsync();
    }

    /// <summary>Completes when netd is heard no more.</summary>
    public Task Ended { get; }

    /// <summary>Asks, and waits for the answer.</summary>
    /// <exception cref="IOException">The connection ended.</exception>
    public async Task<NetdSays> AskAsync(NetdAsk ask, CancellationToken cancellationToken)
    {
        var id = Interlocked.Increment(ref next);
        var answer = new TaskCompletionSource<NetdSays>(TaskCreationOptions.RunContinuationsAsynchronously);
        open[id] = answer;
        try
        {
            var line = (byte[])[.. JsonSerializer.SerializeToUtf8Bytes(ask with { Id = id }, SandboxJsonContext.Default.NetdAsk), (byte)'\n'];
            await writing.WaitAsync(cancellationToken).ConfigureAwait(false);
            await WriteAsync(line).WaitAsync(cancellationToken).ConfigureAwait(false);
            // The end may come between our entry and the reader's last look at the entries.
            await Task.WhenAny(answer.Task, Ended).WaitAsync(cancellationToken).ConfigureAwait(false);
            return answer.Task.IsCompleted ? await answer.Task.ConfigureAwait(false) : throw new IOException("the network helper has ended");
        }
        catch (ObjectDisposedException exception)
        {
            throw new IOException("the network helper has ended", exception);
        }
        finally
        {
            open.TryRemove(id, out _);
        }
    }

    public void Dispose() => stream.Dispose();

    // Not given up half-way, even where nobody waits for it any more: the next line would be read as the rest of this one.
    private async Task WriteAsync(byte[] line)
    {
        try
        {
            await stream.WriteAsync(line, CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            writing.Release();
        }
    }

    private async Task ReadAsync()
    {
        await Task.Yield();
        using var reader = new LineReader(stream, LongestLine);
        try
        {
            while (await reader.FillAsync(CancellationToken.None).ConfigureAwait(false))
            {
                while (reader.TryTake(out var line, out var partial))
                {
                    if (!partial)
                        Take(line.Span);
                }
            }
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            // What is open ends with Ended.
        }
    }

    private void Take(ReadOnlySpan<byte> line)
    {
        NetdSays? said;
        try
        {
            said = JsonSerializer.Deserialize(line, SandboxJsonContext.Default.NetdSays);
        }
        catch (JsonException)
        {
            return;
        }

        if (said?.Notice is not null)
            notice(said);
        else if (said?.Id is { } id && open.TryGetValue(id, out var answer))
            answer.TrySetResult(said);
    }
}

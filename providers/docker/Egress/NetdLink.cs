using System.Buffers;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using Docker.DotNet;

namespace Marionette.Providers.Docker;

/// <summary>
/// A connection to the helper's standard input and output. Other processes of the installation may hold one too: everybody hears everything, and
/// answers are known by their number.
/// </summary>
internal sealed class NetdLink : IDisposable
{
    private const int LongestLine = 1 << 20;

    private readonly ConcurrentDictionary<long, TaskCompletionSource<NetdLine>> _open = new();
    private readonly SemaphoreSlim _write = new(1);
    private readonly MultiplexedStream _stream;
    private readonly Action<NetdLine> _notice;
    private readonly CancellationTokenSource _life = new();
    private long _next = RandomNumberGenerator.GetInt32(int.MaxValue) * (1L << 20);

    public NetdLink(MultiplexedStream stream, Action<NetdLine> notice)
    {
        (_stream, _notice) = (stream, notice);
        Ended = ReadAsync();
    }

    /// <summary>Completes when the helper is heard no more.</summary>
    public Task Ended { get; }

    /// <summary>Asks, and waits for the answer.</summary>
    /// <exception cref="IOException">The connection ended.</exception>
    public async Task<NetdLine> AskAsync(NetdRequest request, CancellationToken cancellationToken)
    {
        var id = Interlocked.Increment(ref _next);
        var answer = new TaskCompletionSource<NetdLine>(TaskCreationOptions.RunContinuationsAsynchronously);
        _open[id] = answer;
        try
        {
            if (Ended.IsCompleted) throw new IOException("the helper has ended");
            var line = (byte[])[.. JsonSerializer.SerializeToUtf8Bytes(request with { Id = id }, DockerJsonContext.Default.NetdRequest), (byte)'\n'];
            await _write.WaitAsync(cancellationToken);
            try
            {
                await _stream.WriteAsync(line, 0, line.Length, cancellationToken);
            }
            finally
            {
                _write.Release();
            }

            // The end may come between our entry and the reader's last look at the entries.
            await Task.WhenAny(answer.Task, Ended).WaitAsync(cancellationToken);
            return answer.Task.IsCompleted ? await answer.Task : throw new IOException("the helper has ended");
        }
        finally
        {
            _open.TryRemove(id, out _);
        }
    }

    public void Dispose()
    {
        _life.Cancel();
        _stream.Dispose();
    }

    private async Task ReadAsync()
    {
        await Task.Yield();
        var buffer = new byte[16 * 1024];
        var line = new ArrayBufferWriter<byte>();
        try
        {
            while (await _stream.ReadOutputAsync(buffer, 0, buffer.Length, _life.Token) is { EOF: false } read)
            {
                if (read.Target != MultiplexedStream.TargetStream.StandardOut) continue;
                var rest = buffer.AsMemory(0, read.Count);
                for (int end; (end = rest.Span.IndexOf((byte)'\n')) >= 0; rest = rest[(end + 1)..])
                {
                    line.Write(rest.Span[..end]);
                    Take(line.WrittenSpan);
                    line.ResetWrittenCount();
                }

                if (line.WrittenCount + rest.Length > LongestLine) break; // nothing of ours is that long
                line.Write(rest.Span);
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException or System.Net.Sockets.SocketException)
        {
            // What is open fails below; whoever needs the helper connects again.
        }
        finally
        {
            foreach (var answer in _open.Values) answer.TrySetException(new IOException("the helper has ended"));
        }
    }

    private void Take(ReadOnlySpan<byte> text)
    {
        NetdLine? line;
        try
        {
            line = JsonSerializer.Deserialize(text, DockerJsonContext.Default.NetdLine);
        }
        catch (JsonException)
        {
            return; // a word of the runtime's on the way down, for example
        }

        if (line?.Notice is not null) _notice(line);
        else if (line?.Id is { } id && _open.TryGetValue(id, out var answer)) answer.TrySetResult(line);
    }
}

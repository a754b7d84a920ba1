using System.Net;
using System.Net.Sockets;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>
/// A line between two parties that can go dead without anybody being told: what is written into it is taken and not delivered, and no
/// socket closes. Connections made after that are fine.
/// </summary>
internal sealed class TcpProxy : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly TcpListener _listener;
    private readonly Func<int> _target;
    private readonly Task _accepting;
    private readonly Lock _gate = new();
    private readonly List<Task> _lines = [];
    private readonly List<Line> _current = [];
    private int _accepted;
    private long _carried;

    public TcpProxy(IPAddress address, Func<int> target)
    {
        _target = target;
        _listener = new TcpListener(address, 0);
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync();
    }

    public int Port { get; }

    /// <summary>Connections so far.</summary>
    public int Accepted => Volatile.Read(ref _accepted);

    /// <summary>Bytes so far, both ways.</summary>
    public long Carried => Interlocked.Read(ref _carried);

    /// <summary>All lines that exist now go dead; returns what brings them back, with everything that was written meanwhile.</summary>
    public Action Freeze()
    {
        lock (_gate)
        {
            var frozen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            foreach (var line in _current) line.Open = frozen.Task;
            _current.Clear();
            return () => frozen.TrySetResult();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        Task[] lines;
        lock (_gate) lines = [.. _lines];
        await Task.WhenAll(lines);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var near = await _listener.AcceptSocketAsync(_stop.Token);
                var line = new Line();
                lock (_gate)
                {
                    _current.Add(line);
                    _lines.Add(CarryAsync(near, line));
                }

                Interlocked.Increment(ref _accepted);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The end of the proxy.
        }
    }

    private async Task CarryAsync(Socket near, Line line)
    {
        using var far = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        near.NoDelay = true;
        try
        {
            await far.ConnectAsync(IPAddress.Loopback, _target(), _stop.Token);
            await Task.WhenAny(PumpAsync(near, far, line), PumpAsync(far, near, line));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            // Nobody listens there now: the caller sees a closed connection.
        }

        near.Dispose();
    }

    private async Task PumpAsync(Socket from, Socket to, Line line)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer, _stop.Token) is var read && read > 0)
            {
                await line.Open.WaitAsync(_stop.Token);
                Interlocked.Add(ref _carried, read);
                for (var sent = 0; sent < read;) sent += await to.SendAsync(buffer.AsMemory(sent, read - sent), _stop.Token);
            }

            await line.Open.WaitAsync(_stop.Token); // A dead line does not carry the news of a close either.
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // One end is gone; the other learns of it when its socket closes.
        }
    }

    private sealed class Line
    {
        private volatile Task _open = Task.CompletedTask;

        public Task Open
        {
            get => _open;
            set => _open = value;
        }
    }
}

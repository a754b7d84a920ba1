using System.Net;
using System.Net.Sockets;

namespace Marionette.Agent.Tests.Support;

/// <summary>Forwards TCP connections, and can go silent on those that are open, as a network does that drops every packet.</summary>
internal sealed class TcpProxy : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stop = new();
    private readonly Uri target;
    private int generation;

    public TcpProxy(string target)
    {
        this.target = new Uri(target);
        listener.Start();
        _ = AcceptAsync();
    }

    public string Url => $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";

    /// <summary>Connections made so far.</summary>
    public int Connections { get; private set; }

    /// <summary>Open connections stay open and pass nothing more, in neither direction; new ones work.</summary>
    public void Freeze() => Interlocked.Increment(ref generation);

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        listener.Dispose();
        stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await listener.AcceptTcpClientAsync(stop.Token);
                Connections++;
                _ = ServeAsync(client, Volatile.Read(ref generation));
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException or SocketException)
        {
        }
    }

    private async Task ServeAsync(TcpClient client, int born)
    {
        using var near = client;
        using var far = new TcpClient();
        try
        {
            await far.ConnectAsync(target.Host, target.Port, stop.Token);
            var there = CopyAsync(near.GetStream(), far.GetStream(), born);
            var back = CopyAsync(far.GetStream(), near.GetStream(), born);
            await Task.WhenAny(there, back);
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or SocketException)
        {
        }
    }

    private async Task CopyAsync(NetworkStream from, NetworkStream to, int born)
    {
        var buffer = new byte[16 * 1024];
        while (await from.ReadAsync(buffer, stop.Token) is > 0 and var read)
        {
            if (Volatile.Read(ref generation) != born)
                // A dead line: the bytes go nowhere until the proxy is stopped.
                await Task.Delay(Timeout.Infinite, stop.Token);
            await to.WriteAsync(buffer.AsMemory(0, read), stop.Token);
        }
    }
}

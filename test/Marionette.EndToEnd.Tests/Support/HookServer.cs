using System.Net;
using System.Text;

namespace Marionette.EndToEnd.Tests.Support;

/// <summary>An approval hook on loopback: it answers 503 until it is told what to say.</summary>
internal sealed class HookServer : IAsyncDisposable
{
    private readonly HttpListener _listener = new();
    private readonly Task _work;
    private int _posts;

    public HookServer()
    {
        // HttpListener takes no port 0: another process may take the free one first, hence the tries.
        for (var attempt = 1; ; attempt++)
        {
            using var probe = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
            probe.Start();
            Url = $"http://127.0.0.1:{((IPEndPoint)probe.LocalEndpoint).Port}/hook/";
            probe.Stop();
            _listener.Prefixes.Clear();
            _listener.Prefixes.Add(Url);
            try
            {
                _listener.Start();
                break;
            }
            catch (HttpListenerException) when (attempt < 10)
            {
                // Taken meanwhile.
            }
        }

        _work = ServeAsync();
    }

    public string Url { get; }

    /// <summary>JSON to answer with; null = 503.</summary>
    public string? Answer { get; set; }

    public int Posts => Volatile.Read(ref _posts);

    public (string? Timestamp, string? Signature, string Body) Last { get; private set; } = (null, null, "");

    public async ValueTask DisposeAsync()
    {
        _listener.Close();
        await _work;
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            try
            {
                var context = await _listener.GetContextAsync();
                using var reader = new StreamReader(context.Request.InputStream, Encoding.UTF8);
                Last = (context.Request.Headers["X-Webhook-Timestamp"], context.Request.Headers["X-Webhook-Signature"], await reader.ReadToEndAsync());
                Interlocked.Increment(ref _posts);
                context.Response.StatusCode = Answer is null ? 503 : 200;
                if (Answer is { } answer) await context.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes(answer));
                context.Response.Close();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException or InvalidOperationException)
            {
                if (!_listener.IsListening) return;
            }
        }
    }
}

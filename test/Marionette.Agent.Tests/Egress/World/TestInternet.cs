using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Marionette.Agent.Egress.Names;
using Marionette.Agent.Egress.Namespaces;

namespace Marionette.Agent.Tests.Egress.World;

/// <summary>
/// Everything outside: a network namespace with addresses of the internet, of private networks and of a metadata service, a name
/// server, and servers that listen on all of them.
/// </summary>
internal sealed class TestInternet : IAsyncDisposable
{
    public const string Site = "93.184.215.14";
    public const string OtherSite = "93.184.215.20";
    public const string SiteV6 = "2606:2800:21f:cb07::14";
    public const string PrivateHost = "10.99.0.5";
    public const string Metadata = "169.254.169.254";
    public const string NameServer = "8.8.4.4";

    /// <summary>Gives back what it gets, over TCP and UDP; over TCP it says END when the other side has ended.</summary>
    public const int EchoPort = 7000;

    /// <summary>Speaks first, then echoes.</summary>
    public const int GreetingPort = 2222;

    public const int TlsPort = 443;

    /// <summary>Takes everything, and tells how many bytes it were.</summary>
    public const int SinkPort = 9000;

    /// <summary>Sends as many bytes as it was asked for.</summary>
    public const int SourcePort = 9001;

    public const string Greeting = "220 you may speak\r\n";

    private readonly CancellationTokenSource stop = new();
    private readonly List<Socket> listeners = [];
    private readonly ConcurrentDictionary<string, IPAddress[]> names = new();
    private readonly X509Certificate2 certificate = MakeCertificate();

    public TestInternet() => Space = NetNamespace.Create(() => { });

    public NetNamespace Space { get; }

    /// <summary>Questions that came, as "type name".</summary>
    public ConcurrentQueue<string> Questions { get; } = new();

    /// <summary>Connections that came to the echo server, by the address they came to.</summary>
    public ConcurrentQueue<IPEndPoint> Arrivals { get; } = new();

    /// <summary>Datagrams that came to the echo server: from where, to which address, and their first bytes.</summary>
    public ConcurrentQueue<(EndPoint From, string To, byte[] Head)> Datagrams { get; } = new();

    public void Start()
    {
        Serve(EchoPort, EchoAsync);
        Serve(GreetingPort, async stream =>
        {
            await stream.WriteAsync("220 you may speak\r\n"u8.ToArray(), stop.Token);
            await EchoAsync(stream);
        });
        Serve(TlsPort, TlsAsync);
        Serve(SinkPort, SinkAsync);
        Serve(SourcePort, SourceAsync);
        Serve(53, NamesOverTcpAsync);
        _ = NamesOverUdpAsync(Datagram(NameServer, 53));
        foreach (var address in new[] { Site, OtherSite, SiteV6, PrivateHost, Metadata })
            _ = EchoDatagramsAsync(Datagram(address, EchoPort), address);
    }

    /// <summary>A UDP socket at one of the addresses.</summary>
    public Socket Datagram(string address, int port)
    {
        var target = new IPEndPoint(IPAddress.Parse(address), port);
        var made = Space.Run(() =>
        {
            var socket = new Socket(target.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            socket.Bind(target);
            return socket;
        });
        listeners.Add(made);
        return made;
    }

    /// <summary>Gives a name its addresses.</summary>
    public void Name(string name, params string[] addresses) => names[name] = [.. addresses.Select(IPAddress.Parse)];

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        foreach (var listener in listeners)
            listener.Dispose();
        Space.Dispose();
        certificate.Dispose();
    }

    private static X509Certificate2 MakeCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=test", key, HashAlgorithmName.SHA256);
        using var made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }

    private void Serve(int port, Func<Stream, Task> serve)
    {
        var listener = Space.Run(() =>
        {
            var socket = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp) { DualMode = true };
            socket.Bind(new IPEndPoint(IPAddress.IPv6Any, port));
            socket.Listen(1024);
            return socket;
        });
        listeners.Add(listener);
        _ = AcceptAsync(listener, port, serve);
    }

    private async Task AcceptAsync(Socket listener, int port, Func<Stream, Task> serve)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                var socket = await listener.AcceptAsync(stop.Token);
                if (port == EchoPort)
                    Arrivals.Enqueue((IPEndPoint)socket.LocalEndPoint!);
                _ = ServeAsync(socket, serve);
            }
            catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException or SocketException)
            {
                return;
            }
        }
    }

    private static async Task ServeAsync(Socket socket, Func<Stream, Task> serve)
    {
        try
        {
            await using var stream = new NetworkStream(socket, ownsSocket: true);
            await serve(stream);
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The client went away, which many tests are about.
        }
    }

    private async Task EchoAsync(Stream stream)
    {
        var buffer = new byte[64 * 1024];
        while (await stream.ReadAsync(buffer, stop.Token) is var read and > 0)
            await stream.WriteAsync(buffer.AsMemory(0, read), stop.Token);
        await stream.WriteAsync("END"u8.ToArray(), stop.Token);
    }

    private async Task EchoDatagramsAsync(Socket socket, string address)
    {
        var buffer = new byte[ushort.MaxValue];
        var anyone = new IPEndPoint(socket.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0);
        while (!stop.IsCancellationRequested)
        {
            try
            {
                var packet = await socket.ReceiveFromAsync(buffer, SocketFlags.None, anyone, stop.Token);
                Datagrams.Enqueue((packet.RemoteEndPoint, address, buffer[..Math.Min(packet.ReceivedBytes, 16)]));
                await socket.SendToAsync(buffer.AsMemory(0, packet.ReceivedBytes), SocketFlags.None, packet.RemoteEndPoint, stop.Token);
            }
            catch (SocketException) when (!stop.IsCancellationRequested)
            {
                // The asker of the last answer is gone.
            }
            catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException or SocketException)
            {
                return;
            }
        }
    }

    private async Task SinkAsync(Stream stream)
    {
        var buffer = new byte[256 * 1024];
        var sum = 0L;
        while (await stream.ReadAsync(buffer, stop.Token) is var read and > 0)
            sum += read;
        await stream.WriteAsync(BitConverter.GetBytes(sum), stop.Token);
    }

    private async Task SourceAsync(Stream stream)
    {
        var asked = new byte[8];
        await stream.ReadExactlyAsync(asked, stop.Token);
        var buffer = new byte[256 * 1024];
        for (var left = BitConverter.ToInt64(asked); left > 0; left -= Math.Min(left, buffer.Length))
            await stream.WriteAsync(buffer.AsMemory(0, (int)Math.Min(left, buffer.Length)), stop.Token);
    }

    private async Task TlsAsync(Stream stream)
    {
        await using var tls = new SslStream(stream);
        try
        {
            await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate }, stop.Token);
        }
        catch (System.Security.Authentication.AuthenticationException)
        {
            return;
        }

        await EchoAsync(tls);
    }

    private async Task NamesOverUdpAsync(Socket socket)
    {
        var buffer = new byte[2048];
        while (!stop.IsCancellationRequested)
        {
            try
            {
                var packet = await socket.ReceiveFromAsync(buffer, SocketFlags.None, new IPEndPoint(IPAddress.Any, 0), stop.Token);
                if (Answer(buffer.AsMemory(0, packet.ReceivedBytes)) is not { } answer)
                    continue;
                if (answer.Length > 512)
                {
                    answer = answer[..512];
                    answer[2] |= 0x02; // cut: come by TCP
                }

                await socket.SendToAsync(answer, SocketFlags.None, packet.RemoteEndPoint, stop.Token);
            }
            catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException or SocketException)
            {
                return;
            }
        }
    }

    private async Task NamesOverTcpAsync(Stream stream)
    {
        var head = new byte[2];
        await stream.ReadExactlyAsync(head, stop.Token);
        var message = new byte[BinaryPrimitives.ReadUInt16BigEndian(head)];
        await stream.ReadExactlyAsync(message, stop.Token);
        var answer = Answer(message)!;
        await stream.WriteAsync(new byte[] { (byte)(answer.Length >> 8), (byte)answer.Length }, stop.Token);
        await stream.WriteAsync(answer, stop.Token);
    }

    // Written by hand and not by the code under test: a header, the question, a record for each address.
    private byte[]? Answer(ReadOnlyMemory<byte> query)
    {
        if (DnsQuestion.Parse(query) is not { Name: { } name } question)
            return null;
        Questions.Enqueue($"{question.Type} {name}");
        var known = names.TryGetValue(name, out var addresses);
        var records = new List<byte[]>();
        var size = question.Type == 28 ? 16 : 4;
        if (question.Type is 1 or 28)
            records.AddRange((addresses ?? []).Select(address => address.GetAddressBytes()).Where(bytes => bytes.Length == size));
        if (question.Type == 16 && known)
            records.Add([5, .. "hello"u8]);
        var answer = new List<byte>(query.Span[..2].ToArray()) { 0x81, (byte)(known ? 0x80 : 0x83), 0, 1, 0, (byte)records.Count, 0, 0, 0, 0 };
        answer.AddRange(question.Section.Span);
        foreach (var data in records)
            answer.AddRange([0xc0, 12, 0, (byte)question.Type, 0, 1, 0, 0, 0, 30, 0, (byte)data.Length, .. data]);
        return [.. answer];
    }
}

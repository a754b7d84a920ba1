using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Marionette.Agent.Egress.Names;
using Marionette.Agent.Egress.Namespaces;
using Marionette.Agent.Tests.Support;

namespace Marionette.Agent.Tests.Egress.World;

/// <summary>A network namespace with a process in it, as a provider hands one to netd. Its sockets are made inside.</summary>
internal sealed class TestRunner : IDisposable
{
    private static int count;

    private readonly Process holder;
    private readonly Lazy<NetNamespace> space;

    private TestRunner(Process holder)
    {
        this.holder = holder;
        space = new Lazy<NetNamespace>(() => NetNamespace.Open($"/proc/{holder.Id}/ns/net"));
        Key = $"acme/run_{Environment.ProcessId}_{Interlocked.Increment(ref count)}";
    }

    public string Key { get; }

    public int Pid => holder.Id;

    public static async Task<TestRunner> StartAsync()
    {
        var runner = new TestRunner(Process.Start("unshare", ["-n", "sleep", "infinity"])!);
        await Eventually.TrueAsync(() =>
            NetNamespace.IdentityOf($"/proc/{runner.Pid}/ns/net") is { } own && own != NetNamespace.HomeIdentity
            && File.ReadAllText($"/proc/{runner.Pid}/comm").Trim() == "sleep");
        return runner;
    }

    public Socket NewSocket(AddressFamily family, SocketType type, ProtocolType protocol) =>
        space.Value.Run(() => new Socket(family, type, protocol));

    /// <summary>A socket of a protocol that the base library does not know.</summary>
    public Socket NewRawSocket(int protocol) => space.Value.Run(() =>
        new Socket(new SafeSocketHandle(NetCalls.OpenSocket(2, NetCalls.TypeRaw | NetCalls.CloseOnExec, protocol), ownsHandle: true)));

    /// <summary>Runs a program inside.</summary>
    public Process Exec(params string[] command) => Process.Start(
        new ProcessStartInfo("nsenter", [$"--net=/proc/{Pid}/ns/net", .. command]) { RedirectStandardOutput = true, RedirectStandardError = true })!;

    /// <summary>Connects to an address.</summary>
    public async Task<Socket> ConnectAsync(IPAddress address, int port)
    {
        var socket = NewSocket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(new IPEndPoint(address, port)).WaitAsync(TimeSpan.FromSeconds(10));
        return socket;
    }

    public Task<Socket> ConnectAsync(string address, int port) => ConnectAsync(IPAddress.Parse(address), port);

    /// <summary>A UDP socket that is connected to a target: nothing is sent yet.</summary>
    public Socket Datagram(string address, int port) => Datagram(IPAddress.Parse(address), port);

    public Socket Datagram(IPAddress address, int port)
    {
        var socket = NewSocket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        socket.Connect(new IPEndPoint(address, port));
        return socket;
    }

    /// <summary>Looks a name up, for a UDP socket that is connected to what was answered.</summary>
    public async Task<Socket> DatagramByNameAsync(string name, int port, AddressFamily family = AddressFamily.InterNetwork) =>
        Datagram(Assert.Single((await LookupAsync(name, family)).Addresses), port);

    /// <summary>Sends a datagram and expects the same back.</summary>
    public static async Task EchoesAsync(Socket socket, byte[] datagram)
    {
        await socket.SendAsync(datagram);
        var buffer = new byte[ushort.MaxValue];
        var read = await socket.ReceiveAsync(buffer).WaitAsync(TimeSpan.FromSeconds(10));
        Assert.True(buffer.AsSpan(0, read).SequenceEqual(datagram), $"{read} bytes, or others, came back for {datagram.Length}");
    }

    /// <summary>Sends a datagram and expects to be told that it went nowhere.</summary>
    public static async Task IsRefusedAsync(Socket socket, byte[] datagram, params SocketError[] errors)
    {
        await socket.SendAsync(datagram);
        var failure = await Assert.ThrowsAsync<SocketException>(() => socket.ReceiveAsync(new byte[1]).WaitAsync(TimeSpan.FromSeconds(10)));
        Assert.Contains(failure.SocketErrorCode, errors.Length > 0 ? errors : [SocketError.HostUnreachable, SocketError.AccessDenied]);
    }

    /// <summary>Looks a name up and connects to what was answered, as programs do.</summary>
    public async Task<Socket> ConnectByNameAsync(string name, int port, AddressFamily family = AddressFamily.InterNetwork)
    {
        var answer = await LookupAsync(name, family);
        Assert.True(answer.Addresses.Count == 1, $"{name}: code {answer.Code}, {answer.Addresses.Count} addresses");
        return await ConnectAsync(answer.Addresses[0], port);
    }

    public Task<DnsAnswer> LookupAsync(string name, AddressFamily family = AddressFamily.InterNetwork) =>
        AskAsync(Query(name, family == AddressFamily.InterNetwork ? 1 : 28), family == AddressFamily.InterNetwork ? 1 : 28, "10.200.0.1");

    /// <summary>Asks a name server over UDP.</summary>
    public async Task<DnsAnswer> AskAsync(byte[] query, int type, string server)
    {
        var address = IPAddress.Parse(server);
        using var socket = NewSocket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        await socket.ConnectAsync(new IPEndPoint(address, 53));
        await socket.SendAsync(query);
        var buffer = new byte[2048];
        var read = await socket.ReceiveAsync(buffer).WaitAsync(TimeSpan.FromSeconds(15));
        return DnsAnswer.Parse(buffer.AsSpan(0, read), type, out _)!;
    }

    public static byte[] Query(string name, int type)
    {
        var message = new byte[12 + 300];
        message[1] = 7;
        message[2] = 1;
        message[5] = 1;
        var at = 12 + DnsQuestion.WriteName(name, message.AsSpan(12));
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(at), (ushort)type);
        message[at + 3] = 1;
        return message[..(at + 4)];
    }

    /// <summary>Expects the connection to be cut before a byte of an answer: while it is made, or right after.</summary>
    public static async Task IsCutAsync(Task<Socket> connecting)
    {
        var failure = await Assert.ThrowsAsync<SocketException>(async () =>
        {
            using var socket = await connecting;
            await socket.SendAsync("hello"u8.ToArray());
            Assert.Fail($"answered with {await socket.ReceiveAsync(new byte[100]).WaitAsync(TimeSpan.FromSeconds(10))} bytes");
        });
        Assert.Contains(failure.SocketErrorCode, new[] { SocketError.ConnectionReset, SocketError.Shutdown });
    }

    /// <summary>Says something and expects it back.</summary>
    public static async Task EchoesAsync(Socket socket, string text = "hello")
    {
        var bytes = System.Text.Encoding.UTF8.GetBytes(text);
        await socket.SendAsync(bytes);
        await ReadsAsync(socket, text);
    }

    public static async Task ReadsAsync(Socket socket, string text)
    {
        var buffer = new byte[System.Text.Encoding.UTF8.GetByteCount(text)];
        for (var at = 0; at < buffer.Length;)
        {
            var read = await socket.ReceiveAsync(buffer.AsMemory(at)).AsTask().WaitAsync(TimeSpan.FromSeconds(10));
            Assert.True(read > 0, $"ended after {at} bytes");
            at += read;
        }

        Assert.Equal(text, System.Text.Encoding.UTF8.GetString(buffer));
    }

    public void Dispose()
    {
        if (space.IsValueCreated)
            space.Value.Dispose();
        if (!holder.HasExited)
            holder.Kill();
        holder.WaitForExit();
        holder.Dispose();
    }
}

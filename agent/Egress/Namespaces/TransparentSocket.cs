using System.Net;
using System.Net.Sockets;

namespace Marionette.Agent.Egress.Namespaces;

/// <summary>
/// Sockets of a peer namespace that stand for addresses which are not the machine's own: whatever a runner sends, and wherever to, comes to one of
/// them. Made by a thread that is in the namespace.
/// </summary>
internal static class TransparentSocket
{
    private const int Backlog = 1024;
    private const int LevelV4 = 0;
    private const int LevelV6 = 41;
    private const int Transparent = 19;
    private const int TransparentV6 = 75;
    private const int ReuseAddress = 2;

    /// <summary>Accepts every TCP connection; the local address of one is where it was to go.</summary>
    public static Socket Listen()
    {
        var socket = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp) { DualMode = true };
        Switch(socket, LevelV4, Transparent);
        Switch(socket, LevelV6, TransparentV6);
        socket.Bind(new IPEndPoint(IPAddress.IPv6Any, Firewall.TcpPort));
        socket.Listen(Backlog);
        return socket;
    }

    /// <summary>Receives the datagrams that have no socket of their own, to be read by <see cref="DatagramReader"/>.</summary>
    public static Socket Datagrams()
    {
        var socket = Datagram(Firewall.UdpPort);
        Switch(socket, LevelV4, Transparent);
        Switch(socket, LevelV6, TransparentV6);
        Switch(socket, LevelV4, DatagramReader.TargetV4);
        Switch(socket, LevelV6, DatagramReader.TargetV6);
        return socket;
    }

    /// <summary>Receives questions for names.</summary>
    public static Socket Names() => Datagram(Firewall.NamePort);

    /// <summary>
    /// Takes a runner's place at the other end: what the client sends to the target comes here from now on, and what is sent comes to the client from
    /// the target.
    /// </summary>
    /// <exception cref="SocketException">The addresses do not fit, or there are too many files.</exception>
    public static Socket Between(IPEndPoint client, IPEndPoint target)
    {
        var socket = new Socket(target.AddressFamily, SocketType.Dgram, ProtocolType.Udp) { Blocking = false };
        try
        {
            var isV4 = target.AddressFamily == AddressFamily.InterNetwork;
            Switch(socket, isV4 ? LevelV4 : LevelV6, isV4 ? Transparent : TransparentV6);
            Share(socket);
            socket.Bind(target);
            socket.Connect(client);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static Socket Datagram(int port)
    {
        var socket = new Socket(AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp) { DualMode = true };
        Share(socket);
        socket.Bind(new IPEndPoint(IPAddress.IPv6Any, port));
        return socket;
    }

    // Two clients may speak to one target, and a target may have a port of ours. Not the base library's option: that one spreads what comes over all.
    private static void Share(Socket socket) => Switch(socket, NetCalls.SocketLevel, ReuseAddress);

    private static void Switch(Socket socket, int level, int option) => socket.SetRawSocketOption(level, option, BitConverter.GetBytes(1));
}

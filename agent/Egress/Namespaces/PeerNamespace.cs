using System.Net;
using System.Net.Sockets;

namespace Marionette.Agent.Egress.Namespaces;

/// <summary>
/// The namespace at the other end of a runner's only link. It has no other link and forwards nothing: what leaves it goes through
/// our sockets, and without this process there is nothing.
/// </summary>
internal sealed class PeerNamespace : IDisposable
{
    public static readonly IPAddress Gateway = IPAddress.Parse("10.200.0.1");
    public static readonly IPAddress Runner = IPAddress.Parse("10.200.0.2");
    public static readonly IPAddress GatewayV6 = IPAddress.Parse("fd6d:6172:696f::1");
    public static readonly IPAddress RunnerV6 = IPAddress.Parse("fd6d:6172:696f::2");

    private const int PrefixV4 = 30;
    private const int PrefixV6 = 126;
    private readonly NetNamespace peer;

    private PeerNamespace(NetNamespace peer, Socket connections, Socket names, Socket datagrams, UnreachableSender errors)
    {
        this.peer = peer;
        Connections = connections;
        Names = names;
        Datagrams = datagrams;
        Errors = errors;
    }

    /// <summary>Accepts every TCP connection; the local address of one is where it was to go.</summary>
    public Socket Connections { get; }

    /// <summary>Receives every question for a name.</summary>
    public Socket Names { get; }

    /// <summary>Receives every other datagram that no flow has a socket for; read by <see cref="DatagramReader"/>.</summary>
    public Socket Datagrams { get; }

    /// <summary>Tells the runner what became of its datagrams.</summary>
    public UnreachableSender Errors { get; }

    /// <summary>Receive what goes nowhere, one for each protocol; fail when the runner's link is gone. Empty until there is one.</summary>
    public IReadOnlyList<Socket> Refused { get; private set; } = [];

    /// <summary>Makes one, its rules and its sockets; no runner can reach it yet.</summary>
    /// <exception cref="IOException">What this machine cannot do.</exception>
    public static PeerNamespace Create()
    {
        Socket? connections = null, names = null, datagrams = null;
        UnreachableSender? errors = null;
        try
        {
            var made = NetNamespace.Create(() =>
            {
                Firewall.Load();
                using var netlink = new Netlink();
                var loopback = LinkIndex("lo");
                netlink.SetUp(loopback);
                netlink.TakeEverything(AddressFamily.InterNetwork, loopback);
                WhereV6(() => netlink.TakeEverything(AddressFamily.InterNetworkV6, loopback));
                connections = TransparentSocket.Listen();
                names = TransparentSocket.Names();
                datagrams = TransparentSocket.Datagrams();
                errors = new UnreachableSender();
            });
            return new PeerNamespace(made, connections!, names!, datagrams!, errors!);
        }
        catch (Exception exception)
        {
            connections?.Dispose();
            names?.Dispose();
            datagrams?.Dispose();
            errors?.Dispose();
            if (exception is SocketException)
                throw new IOException("peer namespace: " + exception.Message, exception);
            throw;
        }
    }

    /// <summary>Joins a runner's namespace to this one, ready to be used.</summary>
    /// <returns>Whether it has IPv6.</returns>
    /// <exception cref="IOException">It has another link already, or the kernel refused.</exception>
    public bool Join(NetNamespace runner)
    {
        runner.Run(() =>
        {
            using var netlink = new Netlink();
            var others = netlink.Links().Where(link => link.IsUp && link.Name is not ("lo" or Netlink.RunnerLink));
            if (others.FirstOrDefault() is { Name: not null } other)
                throw new IOException($"the namespace has a way out already: {other.Name}");
        });
        peer.Run(() =>
        {
            using var netlink = new Netlink();
            netlink.MakePair(runner);
            var link = LinkIndex(Netlink.PeerLink);
            netlink.AddAddress(link, Gateway, PrefixV4);
            WhereV6(() => netlink.AddAddress(link, GatewayV6, PrefixV6));
            netlink.SetUp(link);
            Refused = [See(link, isV6: false), See(link, isV6: true)];
        });
        return runner.Run(SetUpRunner);
    }

    /// <summary>Gives a flow a socket of its own, see <see cref="TransparentSocket.Between"/>. Takes the time of a thread's start.</summary>
    /// <exception cref="SocketException">There is none.</exception>
    /// <exception cref="IOException">The namespace is gone.</exception>
    public Socket OpenFlow(DatagramPath path) => peer.Run(() => TransparentSocket.Between(path.Client, path.Target));

    /// <summary>Takes the runner's link away at once; the rest of the namespace goes when the kernel comes to it.</summary>
    public void Dispose()
    {
        try
        {
            peer.Run(() =>
            {
                using var netlink = new Netlink();
                if (netlink.Links().FirstOrDefault(link => link.Name == Netlink.PeerLink) is { Index: > 0 } link)
                    netlink.Delete(link.Index);
            });
        }
        catch (IOException)
        {
            // Gone with the runner.
        }

        Connections.Dispose();
        Names.Dispose();
        Datagrams.Dispose();
        Errors.Dispose();
        foreach (var socket in Refused)
            socket.Dispose();
        peer.Dispose();
    }

    private static bool SetUpRunner()
    {
        using var netlink = new Netlink();
        netlink.SetUp(LinkIndex("lo"));
        var link = LinkIndex(Netlink.RunnerLink);
        netlink.AddAddress(link, Runner, PrefixV4);
        AllowV6();
        var hasV6 = WhereV6(() => netlink.AddAddress(link, RunnerV6, PrefixV6));
        netlink.SetUp(link);
        netlink.AddDefaultRoute(link, Gateway);
        return hasV6 && WhereV6(() => netlink.AddDefaultRoute(link, GatewayV6));
    }

    // Container engines switch IPv6 off for links of theirs. Where the switch cannot be reached, the runner has IPv4 alone.
    private static void AllowV6()
    {
        try
        {
            File.WriteAllText($"/proc/sys/net/ipv6/conf/{Netlink.RunnerLink}/disable_ipv6", "0");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // As said.
        }
    }

    private static bool WhereV6(Action action)
    {
        try
        {
            action();
            return true;
        }
        catch (NetlinkException exception) when (exception.Error is NetlinkException.AccessDenied or NetlinkException.NotSupported
            or NetlinkException.NoDevice)
        {
            return false; // this machine, or the namespace, has no IPv6
        }
    }

    private static int LinkIndex(string name) =>
        NetCalls.LinkIndex(name) is var index and > 0 ? (int)index : throw NetCalls.Failure(name);

    private static Socket See(int link, bool isV6) => new(new SafeSocketHandle(PacketFilter.Open(link, isV6), ownsHandle: true));
}

using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Marionette.Agent.Egress.Names;
using Marionette.Agent.Egress.Namespaces;
using Marionette.Agent.Egress.Policy;
using Marionette.Agent.Egress.Relay;

namespace Marionette.Agent.Egress;

/// <summary>
/// Finds out whether this machine can hold a network policy, by doing it: a namespace, a link, a name, a connection that is
/// allowed, one that is not, and a datagram that is not.
/// </summary>
internal static class NetdCheck
{
    private const string Name = "check.marionette.internal";
    private const int Patience = 3000;

    // For a machine that has its loopback alone.
    private static readonly IPEndPoint Nobody = new(IPAddress.Parse("198.51.100.1"), 80);

    /// <param name="allowed">Entries of the policy; none: everything but the name is forbidden.</param>
    public static async Task<NetdReport> RunAsync(EgressServices services, params string[] allowed)
    {
        if (Firewall.Program is null)
            return new NetdReport(false, false, null, ["nft"], "nft is missing (package nftables)");
        using var listener = Listen(IPAddress.Loopback);
        // What must not be reached is of this machine too, and would be reached if it could: no network beyond it is needed to tell.
        using var forbidden = OwnAddresses.Outside() is { } own ? Listen(own) : null;
        var elsewhere = (IPEndPoint?)forbidden?.LocalEndPoint ?? Nobody;
        var aliases = new Dictionary<string, string?> { [Name] = listener.LocalEndPoint!.ToString() };
        try
        {
            using var space = NetNamespace.Create(() => { });
            var policy = EgressPolicy.Parse(allowed.Length == 0 ? "deny" : "allow_list", allowed, aliases, out _)!;
            var began = services.Clock.GetTimestamp();
            var runner = EgressRunner.Attach("check", space, policy, (_, _) => true, services);
            await using (runner.ConfigureAwait(false))
            {
                var took = (long)services.Clock.GetElapsedTime(began).TotalMilliseconds;
                var problem = space.Run(() => ProblemOf(AddressFamily.InterNetwork, elsewhere))
                    ?? (runner.HasV6 ? space.Run(() => ProblemOf(AddressFamily.InterNetworkV6, elsewhere)) : null);
                if (forbidden?.Poll(0, SelectMode.SelectRead) == true)
                    problem = "a connection that is not allowed was made";
                return new NetdReport(problem is null, runner.HasV6 && problem is null, took, null, problem);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return new NetdReport(false, false, null, null, exception.Message);
        }
    }

    // Runs where a runner would: plain blocking calls.
    private static string? ProblemOf(AddressFamily family, IPEndPoint elsewhere)
    {
        try
        {
            var address = Ask(family);
            using var socket = NewSocket(family);
            socket.Connect(new IPEndPoint(address, 80));
            return family == AddressFamily.InterNetworkV6 ? null : ConnectionProblem(elsewhere) ?? DatagramProblem(elsewhere);
        }
        catch (SocketException exception)
        {
            return $"{family}: {exception.Message}";
        }
    }

    private static string? ConnectionProblem(IPEndPoint elsewhere)
    {
        try
        {
            using var socket = NewSocket(AddressFamily.InterNetwork);
            socket.Connect(elsewhere);
            return socket.Receive(new byte[1]) == 0 ? null : "a connection that is not allowed was answered";
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.ConnectionReset)
        {
            return null;
        }
    }

    private static string? DatagramProblem(IPEndPoint elsewhere)
    {
        try
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = Patience };
            socket.Connect(elsewhere);
            socket.Send(new byte[1]);
            socket.Receive(new byte[1]);
            return "a datagram that is not allowed was answered";
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.HostUnreachable)
        {
            return null;
        }
    }

    private static Socket Listen(IPAddress address)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(address, 0));
        socket.Listen();
        return socket;
    }

    private static Socket NewSocket(AddressFamily family) =>
        new(family, SocketType.Stream, ProtocolType.Tcp) { SendTimeout = Patience, ReceiveTimeout = Patience };

    private static IPAddress Ask(AddressFamily family)
    {
        var query = new byte[DnsWire.HeaderSize + Name.Length + 2 + 4];
        query[5] = 1;
        var at = DnsWire.HeaderSize + DnsQuestion.WriteName(Name, query.AsSpan(DnsWire.HeaderSize));
        var type = family == AddressFamily.InterNetwork ? DnsWire.TypeA : DnsWire.TypeAaaa;
        BinaryPrimitives.WriteUInt16BigEndian(query.AsSpan(at), (ushort)type);
        BinaryPrimitives.WriteUInt16BigEndian(query.AsSpan(at + 2), DnsWire.ClassInternet);
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = Patience };
        socket.Connect(new IPEndPoint(PeerNamespace.Gateway, 53));
        socket.Send(query);
        var answer = new byte[DnsWire.MaxUdp];
        var read = socket.Receive(answer);
        return DnsAnswer.Parse(answer.AsSpan(0, read), type, out _) is { Addresses: [var address, ..] }
            ? address
            : throw new SocketException((int)SocketError.HostNotFound);
    }
}

using System.Net;
using System.Net.Sockets;
using Marionette.Agent.Egress.Namespaces;

namespace Marionette.Agent.Egress.Relay;

/// <summary>Tells whether an address is this machine's own.</summary>
internal static class OwnAddresses
{
    /// <summary>
    /// Asks the kernel where it would send from: to its own addresses from themselves. Always true as of now, and without a list
    /// that could be old.
    /// </summary>
    public static bool Contains(IPAddress address)
    {
        try
        {
            NetNamespace.StayHome();
            using var socket = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            socket.Connect(new IPEndPoint(address, 9)); // sends nothing
            return socket.LocalEndPoint is IPEndPoint { Address: var local } && local.Equals(address);
        }
        catch (SocketException)
        {
            return false; // no way there at all: the connection will say so
        }
    }
}

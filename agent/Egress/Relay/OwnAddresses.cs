using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Marionette.Agent.Egress.Namespaces;

namespace Marionette.Agent.Egress.Relay;

/// <summary>This machine's own addresses.</summary>
internal static class OwnAddresses
{
    /// <summary>
    /// An IPv4 address of this machine beside its loopback: what a runner must not reach, and answers without any network beyond the machine; null
    /// where it has none.
    /// </summary>
    public static IPAddress? Outside() => NetworkInterface.GetAllNetworkInterfaces().SelectMany(link => link.GetIPProperties().UnicastAddresses)
        .Select(own => own.Address).FirstOrDefault(own => own.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(own));

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
        catch (SocketException exception)
        {
            // No way there at all: the connection will say so. Whatever else keeps the question from being asked is no leave to go there.
            return exception.SocketErrorCode is not (SocketError.NetworkUnreachable or SocketError.HostUnreachable or SocketError.NetworkDown
                or SocketError.AddressFamilyNotSupported or SocketError.AddressNotAvailable or SocketError.AccessDenied);
        }
        catch (IOException)
        {
            return true;
        }
    }
}

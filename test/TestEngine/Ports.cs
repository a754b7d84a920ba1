using System.Net;
using System.Net.Sockets;

namespace Marionette.TestEngine;

/// <summary>Ports for programs that have to be told theirs.</summary>
public static class Ports
{
    /// <summary>A port of loopback that was free a moment ago.</summary>
    public static int Free()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}

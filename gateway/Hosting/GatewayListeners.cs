using System.Net;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Marionette.Gateway.Hosting;

/// <summary>The gateway's two ports.</summary>
public static class GatewayListeners
{
    /// <summary>
    /// Without TLS a port cannot tell HTTP/1.1 from HTTP/2 by itself (that is ALPN's part), so each has one: REST, SSE and WebSocket
    /// speak HTTP/1.1, the runners' gRPC speaks HTTP/2 from the first byte.
    /// </summary>
    public static void ListenForMarionette(this KestrelServerOptions kestrel, IPAddress address, int apiPort, int grpcPort)
    {
        kestrel.AddServerHeader = false;
        kestrel.Listen(address, apiPort, listen => listen.Protocols = HttpProtocols.Http1);
        kestrel.Listen(address, grpcPort, listen => listen.Protocols = HttpProtocols.Http2);
    }

    /// <summary>The port of the runners and hosts that the server bound: the second one, as they were told above. Null where there is none.</summary>
    internal static int? GrpcPort(this IServer server) =>
        server.Features.Get<IServerAddressesFeature>()?.Addresses.Skip(1).FirstOrDefault() is { } address ? new Uri(address).Port : null;
}

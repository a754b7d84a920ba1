using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace Marionette.Silo.Hosting;

/// <summary>The ports as they were bound, once the server runs: 0 on the command line means any.</summary>
internal sealed class BoundPorts(SiloSettings settings)
{
    private int _api, _grpc;

    /// <summary>0 until the server runs.</summary>
    public int Admin { get; private set; }

    public string ApiUrl => Url(_api);

    public string GrpcUrl => Url(_grpc);

    public string AdminUrl => Url(Admin);

    /// <summary>Reads what the server bound, in the order in which it was told to listen.</summary>
    public void Learn(IServer server)
    {
        var ports = server.Features.Get<IServerAddressesFeature>()!.Addresses.Select(a => new Uri(a).Port).ToArray();
        if (settings.HasGateway) (_api, _grpc, Admin) = (ports[0], ports[1], ports[2]);
        else Admin = ports[0];
    }

    private string Url(int port) => $"http://{(settings.Bind.Equals(System.Net.IPAddress.Any) ? "127.0.0.1" : settings.Bind.ToString())}:{port}";
}

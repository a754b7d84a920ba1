using System.Globalization;
using System.Net;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>What netd is told about a runner: its rules, and the way to the gateway that is always open.</summary>
internal static class NetworkRules
{
    /// <summary>Name that runners know the gateway by when its own address means nothing in their network.</summary>
    public const string GatewayName = "gateway.marionette.internal";

    /// <summary>The address that an agent in a sandbox calls.</summary>
    public static string ServerUrl(Uri gateway) =>
        (gateway.Scheme == Uri.UriSchemeHttp ? new UriBuilder(gateway) { Host = GatewayName }.Uri : gateway).ToString().TrimEnd('/');

    /// <summary>The request that gives a runner its network.</summary>
    public static NetdAsk Attach(RunnerRecord record, int pid)
    {
        var gateway = new Uri(record.Gateway);
        var target = string.Create(CultureInfo.InvariantCulture, $"{gateway.Host}:{gateway.Port}");
        var aliases = new Dictionary<string, string>();
        IReadOnlyList<string> allowed = record.Allowed;
        if (gateway.Scheme == Uri.UriSchemeHttp)
            aliases[GatewayName] = target;
        else if (IPAddress.TryParse(gateway.Host.Trim('[', ']'), out _))
            allowed = [.. allowed, target]; // a certificate for an address: there is no name to lead there
        else
            aliases[gateway.Host] = target;
        return new NetdAsk(0, "attach", record.Runner, pid, record.EgressMode, allowed, aliases);
    }
}

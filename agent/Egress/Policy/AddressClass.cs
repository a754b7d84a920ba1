using System.Net;
using System.Net.Sockets;

namespace Marionette.Agent.Egress.Policy;

/// <summary>What an address is to the policy.</summary>
internal enum AddressKind
{
    /// <summary>Of the internet.</summary>
    Public,

    /// <summary>Of a private network, this machine, a link, a group, or of no network at all.</summary>
    Private,

    /// <summary>A cloud's metadata service: it hands out the machine's credentials.</summary>
    Metadata,
}

/// <summary>
/// Sorts addresses. IPv6 is public only where addresses of the internet are given out (2000::/3), and forms that carry an IPv4
/// address count as that address: what they lead to is what matters.
/// </summary>
internal static class AddressClass
{
    private static readonly IPNetwork[] PrivateNetworks =
    [
        .. new[]
        {
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
            "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
            "2001::/23", "2001:db8::/32", "3fff::/20",
        }.Select(text => IPNetwork.Parse(text)),
    ];

    private static readonly IPNetwork GlobalUnicast = IPNetwork.Parse("2000::/3");
    private static readonly IPNetwork SixToFour = IPNetwork.Parse("2002::/16");
    private static readonly IPNetwork Nat64 = IPNetwork.Parse("64:ff9b::/96");

    // Link-local ones of most clouds; Azure's, which looks public; Alibaba's and Oracle's; then those of AWS and Google for IPv6.
    private static readonly HashSet<IPAddress> MetadataAddresses =
    [
        .. new[]
        {
            "169.254.169.254", "169.254.169.253", "169.254.170.2", "169.254.170.23", "168.63.129.16", "100.100.100.200", "192.0.0.192",
            "fd00:ec2::254", "fd00:ec2::253", "fd00:ec2::23", "fd20:ce::254",
        }.Select(IPAddress.Parse),
    ];

    /// <summary>The one form in which addresses are compared: IPv4 as IPv4, no scope.</summary>
    public static IPAddress Canonical(IPAddress address)
    {
        if (address.AddressFamily != AddressFamily.InterNetworkV6)
            return address;
        if (address.IsIPv4MappedToIPv6)
            return address.MapToIPv4();
        return address.ScopeId == 0 ? address : new IPAddress(address.GetAddressBytes());
    }

    public static AddressKind Of(IPAddress address)
    {
        address = Canonical(address);
        if (MetadataAddresses.Contains(address))
            return AddressKind.Metadata;
        if (address.AddressFamily == AddressFamily.InterNetworkV6)
        {
            if (Nat64.Contains(address))
                return Of(Embedded(address, 12));
            if (SixToFour.Contains(address))
                return Of(Embedded(address, 2));
            if (!GlobalUnicast.Contains(address))
                return AddressKind.Private;
        }

        foreach (var network in PrivateNetworks)
        {
            if (network.Contains(address))
                return AddressKind.Private;
        }

        return AddressKind.Public;
    }

    private static IPAddress Embedded(IPAddress address, int at)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out _);
        return new IPAddress(bytes.Slice(at, 4));
    }
}

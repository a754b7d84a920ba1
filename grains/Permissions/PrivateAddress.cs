using System.Net;
using System.Net.Sockets;

namespace Marionette.Permissions;

/// <summary>Addresses that the outside has no business with: of this machine, of its link, of private networks, and those that are nobody's.</summary>
public static class PrivateAddress
{
    /// <summary>Whether the address is one of these. IPv4 inside IPv6 counts as what it is.</summary>
    public static bool Is(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        if (address.AddressFamily == AddressFamily.InterNetworkV6)
        {
            var v6 = address.GetAddressBytes();
            // Translated and tunnelled IPv4 (64:ff9b::/96, 2002::/16), unspecified, documentation.
            if (v6[0] == 0x20 && v6[1] == 0x02) return Is(new IPAddress(v6.AsSpan(2, 4)));
            if (v6[0] == 0 && v6[1] == 0x64 && v6[2] == 0xff && v6[3] == 0x9b) return Is(new IPAddress(v6.AsSpan(12, 4)));
            return IPAddress.IsLoopback(address) || address.IsIPv6LinkLocal || address.IsIPv6UniqueLocal || address.IsIPv6SiteLocal || address.IsIPv6Multicast
                || address.Equals(IPAddress.IPv6Any) || v6.AsSpan(0, 12).IndexOfAnyExcept((byte)0) < 0;
        }

        var v4 = address.GetAddressBytes();
        return v4[0] is 0 or 10 or 127 or >= 224
            || (v4[0], v4[1]) is (169, 254) or (192, 168) or (172, >= 16 and <= 31) or (100, >= 64 and <= 127) or (198, 18 or 19);
    }
}

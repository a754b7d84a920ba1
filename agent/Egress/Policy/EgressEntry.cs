using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Marionette.Agent.Egress.Policy;

/// <summary>What an entry names.</summary>
internal enum EntryKind
{
    /// <summary>One name.</summary>
    Name,

    /// <summary>Every name below one, not itself.</summary>
    Below,

    /// <summary>An address, or a network.</summary>
    Network,
}

/// <summary>One entry of a list: "name", "*.name", an address or a network, each with ":port" or without; "[v6]:port".</summary>
/// <param name="Kind">Which of the members below counts.</param>
/// <param name="Name">Canonical; empty for a network.</param>
/// <param name="Network">The network; an address is one of full length.</param>
/// <param name="Port">0 for every port.</param>
internal readonly record struct EgressEntry(EntryKind Kind, string Name, IPNetwork Network, int Port)
{
    /// <summary>Reads an entry.</summary>
    /// <param name="problem">What is wrong, when it is.</param>
    public static bool TryParse(string text, out EgressEntry entry, out string problem)
    {
        entry = default;
        if (!TrySplit(text, out var host, out var port, out problem))
            return false;
        if (host.Contains(':', StringComparison.Ordinal) || host.Contains('/', StringComparison.Ordinal) || IPAddress.TryParse(host, out _))
        {
            if (!TryNetwork(host, out var network))
                return Fail("is not an address or a network", out problem);
            entry = new EgressEntry(EntryKind.Network, "", network, port);
            return true;
        }

        var below = host.StartsWith("*.", StringComparison.Ordinal);
        if (HostName.FromText(below ? host[2..] : host) is not { } name)
            return Fail("is not a name, \"*.name\", an address or a network", out problem);
        entry = new EgressEntry(below ? EntryKind.Below : EntryKind.Name, name, default, port);
        return true;
    }

    /// <summary>Reads "host:port", the port being needed.</summary>
    public static bool TryEndpoint(string text, [NotNullWhen(true)] out string? host, out int port) =>
        TrySplit(text, out host, out port, out _) && port > 0 && host.Length > 0;

    public bool AllowsPort(int port) => Port == 0 || Port == port;

    private static bool TrySplit(string text, out string host, out int port, out string problem)
    {
        (host, port, problem) = (text, 0, "");
        string? digits = null;
        if (text.StartsWith('['))
        {
            var end = text.IndexOf(']', StringComparison.Ordinal);
            if (end < 0 || (end + 1 < text.Length && text[end + 1] != ':'))
                return Fail("has a '[' that does not end", out problem);
            host = text[1..end];
            if (!host.Contains(':', StringComparison.Ordinal))
                return Fail("has no IPv6 address in its brackets", out problem);
            digits = end + 1 < text.Length ? text[(end + 2)..] : null;
        }
        else if (text.IndexOf(':', StringComparison.Ordinal) is var colon and >= 0 && text.LastIndexOf(':') == colon)
        {
            (host, digits) = (text[..colon], text[(colon + 1)..]);
        }

        if (digits is null)
            return true;
        return (int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port is > 0 and < 65536)
            || Fail("has a port that is not 1 to 65535", out problem);
    }

    // Stricter than the base library: "127.1", "010.0.0.1" and scopes mean different things to different readers.
    private static bool TryNetwork(string text, out IPNetwork network)
    {
        network = default;
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        var host = slash < 0 ? text : text[..slash];
        if (host.AsSpan().ContainsAny('%', '[', ']') || !IPAddress.TryParse(host, out var address))
            return false;
        if (address.AddressFamily == AddressFamily.InterNetwork && address.ToString() != host)
            return false;
        var length = address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128;
        var prefix = length;
        if (slash >= 0 && !int.TryParse(text[(slash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out prefix))
            return false;
        if (prefix > length)
            return false;
        if (address.IsIPv4MappedToIPv6 && prefix >= 96)
            (address, prefix) = (address.MapToIPv4(), prefix - 96);
        network = new IPNetwork(Masked(address, prefix), prefix);
        return true;
    }

    private static IPAddress Masked(IPAddress address, int prefix)
    {
        var bytes = address.GetAddressBytes();
        for (var bit = prefix; bit < bytes.Length * 8; bit++)
            bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        return new IPAddress(bytes);
    }

    private static bool Fail(string what, out string problem)
    {
        problem = what;
        return false;
    }
}

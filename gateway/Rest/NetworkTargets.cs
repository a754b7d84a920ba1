using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Marionette.Gateway.Rest;

/// <summary>Entries of allowed_hosts: how they may look. What they mean: docs/guides/network-policy.md.</summary>
internal static class NetworkTargets
{
    public const string Form = "must be a host name, *.domain, an address or a network, with or without :port";

    private const int MaxHosts = 200;

    public static string Policy(FieldErrors errors, string? policy) => errors.Choice("network_policy", policy, "open", "open", "allow_list", "deny");

    /// <summary>Every wrong entry is named. A list beside "deny" is refused: it would promise what it does not give.</summary>
    public static ImmutableArray<string> Check(FieldErrors errors, List<string?>? hosts, string policy)
    {
        if (hosts is null or []) return [];
        if (policy == "deny") errors.Add("allowed_hosts", "does not go with network_policy \"deny\"; use \"allow_list\"");
        if (hosts.Count > MaxHosts) errors.Add("allowed_hosts", $"must have at most {MaxHosts} entries");
        for (var i = 0; i < hosts.Count; i++)
            if (!IsTarget(hosts[i])) errors.Add($"allowed_hosts[{i}]", Form);
        return [.. hosts.OfType<string>().Select(host => host.ToLowerInvariant()).Distinct()];
    }

    public static bool IsTarget(string? text)
    {
        // A scope ("%eth0") means something else on every machine.
        if (text is null or { Length: 0 or > 260 } || !text.All(char.IsAscii) || text.Contains('%')) return false;
        var (host, port) = Split(text);
        if (port is not null && !(port.All(char.IsAsciiDigit) && int.TryParse(port, CultureInfo.InvariantCulture, out var number) && number is > 0 and <= 65535)) return false;
        if (host.StartsWith('[')) return host.EndsWith(']') && host.Contains(':') && (IPAddress.TryParse(host[1..^1], out _) || IsNetwork(host[1..^1]));
        if (host.Contains('/')) return IsNetwork(host);
        var name = host.StartsWith("*.", StringComparison.Ordinal) ? host[2..] : host;
        // "1.2.3" and "0x7f.1" are addresses to some resolvers and names to others: neither here.
        return Uri.CheckHostName(name) switch
        {
            UriHostNameType.IPv4 => name == host && IPAddress.TryParse(name, out var address) && address.ToString() == name,
            UriHostNameType.IPv6 => name == host && port is null,
            UriHostNameType.Dns => name.Length <= 253 && !char.IsAsciiDigit(name.Split('.')[^1] is { Length: > 0 } last ? last[0] : '0'),
            _ => false,
        };
    }

    // As netd reads it, that is stricter than IPNetwork: it knows "010.0.0.0/8" as an octal number.
    private static bool IsNetwork(string text)
    {
        var slash = text.IndexOf('/');
        if (slash < 0 || !IPAddress.TryParse(text[..slash], out var address)) return false;
        var isV4 = address.AddressFamily == AddressFamily.InterNetwork;
        return (!isV4 || address.ToString() == text[..slash])
            && int.TryParse(text[(slash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var prefix) && prefix <= (isV4 ? 32 : 128);
    }

    private static (string Host, string? Port) Split(string text)
    {
        if (text.StartsWith('[') && text.IndexOf("]:", StringComparison.Ordinal) is var end and > 0) return (text[..(end + 1)], text[(end + 2)..]);
        var colon = text.IndexOf(':');
        return colon > 0 && colon == text.LastIndexOf(':') ? (text[..colon], text[(colon + 1)..]) : (text, null);
    }
}

using System.Globalization;
using System.Net;

namespace Marionette.Permissions;

/// <summary>Host names in the one form in which they are compared: lower case, ASCII, no port, no trailing dot.</summary>
internal static class HostText
{
    private static readonly IdnMapping Idn = new();

    /// <summary>Null when the text is no host name: such a one is never allowed by a pattern.</summary>
    public static string? Normalize(string host)
    {
        var text = host.Trim().TrimEnd('.');
        if (text.StartsWith('[') && text.IndexOf(']') is > 0 and var close) text = text[1..close];
        else if (text.Count(c => c == ':') == 1) text = text[..text.IndexOf(':')];
        if (text.Length is 0 or > 253) return null;
        if (IPAddress.TryParse(text, out var address)) return address.ToString();
        try
        {
            text = Idn.GetAscii(text).ToLowerInvariant();
        }
        catch (ArgumentException)
        {
            return null;
        }

        return Uri.CheckHostName(text) == UriHostNameType.Dns ? text : null;
    }

    /// <summary><c>*.example.com</c> is every name below it, not the name itself.</summary>
    public static bool IsMatch(string pattern, string normalized) => Wildcard.IsMatch(pattern.ToLowerInvariant().TrimEnd('.'), normalized);

    /// <summary>Whether the address lies within a machine or a private network.</summary>
    public static bool IsPrivate(string normalized)
    {
        if (normalized is "localhost" || normalized.EndsWith(".localhost", StringComparison.Ordinal) || normalized.EndsWith(".internal", StringComparison.Ordinal)) return true;
        return IPAddress.TryParse(normalized, out var address) && PrivateAddress.Is(address);
    }
}

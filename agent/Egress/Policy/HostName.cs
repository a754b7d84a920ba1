using System.Buffers;
using System.Globalization;

namespace Marionette.Agent.Egress.Policy;

/// <summary>
/// The one form in which names are compared: lower-case ASCII, no trailing dot. What has no such form is not a name, and no rule
/// ever matches it: a rule must not read a text in another way than a resolver would.
/// </summary>
internal static class HostName
{
    public const int MaxLength = 253;
    private const int MaxLabel = 63;
    private static readonly SearchValues<char> HexDigits = SearchValues.Create("0123456789abcdefABCDEF");

    /// <summary>The form of a name as it comes over the wire.</summary>
    /// <returns>
    /// Null when it is not a name: empty labels, other bytes than letters, digits, '-' and '_', or what reads as an address.
    /// </returns>
    public static string? Canonical(ReadOnlySpan<char> text)
    {
        if (text.EndsWith('.'))
            text = text[..^1];
        if (text.Length is 0 or > MaxLength)
            return null;
        var start = 0;
        for (var at = 0; at <= text.Length; at++)
        {
            if (at < text.Length && text[at] != '.')
            {
                if (!char.IsAsciiLetterOrDigit(text[at]) && text[at] is not ('-' or '_'))
                    return null;
                continue;
            }

            if (at - start is 0 or > MaxLabel)
                return null;
            if (at == text.Length && IsNumber(text[start..at]))
                return null;
            start = at + 1;
        }

        return text.ToString().ToLowerInvariant();
    }

    /// <summary>The form of a name as people write it: other scripts too.</summary>
    public static string? FromText(string text)
    {
        if (text.All(char.IsAscii))
            return Canonical(text);
        try
        {
            return Canonical(new IdnMapping().GetAscii(text.ToLowerInvariant()));
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    // "127.1", "0x7f000001" and "1.2.3.4" are addresses to one resolver or another, never names.
    private static bool IsNumber(ReadOnlySpan<char> label) =>
        !label.ContainsAnyExceptInRange('0', '9')
        || (label.StartsWith("0x", StringComparison.OrdinalIgnoreCase) && !label[2..].ContainsAnyExcept(HexDigits));
}

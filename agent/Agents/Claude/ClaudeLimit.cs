using System.Globalization;
using System.Text.RegularExpressions;

namespace Marionette.Agent.Agents.Claude;

/// <summary>Reads the sentences in which Claude Code says that an account's quota is used up.</summary>
internal static partial class ClaudeLimit
{
    private const long FirstMillisecond = 100_000_000_000; // fewer are seconds, of any year that matters

    public static bool IsUsageLimit(string message) => Sentence().IsMatch(message);

    /// <summary>When the quota comes back, where the sentence has it as a number: "Claude AI usage limit reached|1795537991".</summary>
    public static DateTimeOffset? ResetIn(string message)
    {
        var found = Number().Match(message);
        if (!found.Success || !long.TryParse(found.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var at))
            return null;
        return DateTimeOffset.FromUnixTimeSeconds(Math.Min(at >= FirstMillisecond ? at / 1000 : at, ClaudeResult.LatestReset));
    }

    [GeneratedRegex(
        "usage limit reached|you've hit your .{0,40}limit|out of (extra )?usage|credit balance is too low|usage credits",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Sentence();

    [GeneratedRegex(@"\|\s*(\d{9,13})\b", RegexOptions.CultureInvariant)]
    private static partial Regex Number();
}

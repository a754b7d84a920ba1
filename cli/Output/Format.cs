using System.Globalization;

namespace Marionette.Cli.Output;

/// <summary>Numbers and times as people read them.</summary>
internal static class Format
{
    /// <summary>850 ms, 12.3 s, 4 min 05 s, 2 h 03 min.</summary>
    public static string Duration(TimeSpan span) => span switch
    {
        { TotalSeconds: < 1 } => $"{span.TotalMilliseconds:0} ms",
        { TotalMinutes: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds:0.0} s"),
        { TotalHours: < 1 } => $"{(int)span.TotalMinutes} min {span.Seconds:00} s",
        _ => $"{(int)span.TotalHours} h {span.Minutes:00} min",
    };

    /// <summary>A running time, in whole seconds: 7 s, 4 min 05 s.</summary>
    public static string Elapsed(TimeSpan span) => span.TotalMinutes < 1 ? $"{(int)span.TotalSeconds} s" : Duration(span);

    /// <summary>12s, 4m, 3h, 5d: how long ago, for a column.</summary>
    public static string Age(DateTimeOffset? then, DateTimeOffset now)
    {
        if (then is not { } time)
            return "-";
        var span = now > time ? now - time : TimeSpan.Zero;
        return span switch
        {
            { TotalMinutes: < 1 } => $"{(int)span.TotalSeconds}s",
            { TotalHours: < 1 } => $"{(int)span.TotalMinutes}m",
            { TotalDays: < 1 } => $"{(int)span.TotalHours}h",
            _ => $"{(int)span.TotalDays}d",
        };
    }

    /// <summary>812, 4.2k, 1.3M.</summary>
    public static string Count(long count) => count switch
    {
        < 1_000 => count.ToString(CultureInfo.InvariantCulture),
        < 1_000_000 => string.Create(CultureInfo.InvariantCulture, $"{count / 1_000d:0.#}k"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{count / 1_000_000d:0.#}M"),
    };

    /// <summary>US dollars, with as many digits as a small sum needs: $0.0123, $4.20.</summary>
    /// <summary>Bytes, in binary units: "0 B", "1.4 MiB".</summary>
    public static string Size(long bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB"];
        double amount = Math.Max(bytes, 0);
        var unit = 0;
        for (; amount >= 1000 && unit < units.Length - 1; unit++)
            amount /= 1024;
        return string.Create(CultureInfo.InvariantCulture, $"{amount:0.#} {units[unit]}");
    }

    public static string Cost(decimal dollars) =>
        dollars != 0 && Math.Abs(dollars) < 1
            ? string.Create(CultureInfo.InvariantCulture, $"${dollars:0.0000}")
            : string.Create(CultureInfo.InvariantCulture, $"${dollars:0.00}");

    /// <summary>One line of at most <paramref name="width"/> characters; what is cut off shows as an ellipsis.</summary>
    public static string Fit(string text, int width)
    {
        var line = TerminalText.OneLine(text);
        if (line.Length <= width)
            return line;
        var cut = Math.Max(width - 1, 0);
        // Not between the halves of a character.
        if (cut > 0 && char.IsHighSurrogate(line[cut - 1]))
            cut--;
        return line[..cut] + "…";
    }
}

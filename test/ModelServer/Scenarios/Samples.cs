using System.Globalization;
using System.Text;

namespace Marionette.ModelServer.Scenarios;

/// <summary>Texts that are the same on every run, so that a reader can tell whether one arrived whole.</summary>
internal static class Samples
{
    /// <summary>Text that breaks careless handling: 1 to 4 byte characters, joined emoji, right-to-left, controls.</summary>
    public const string Unicode =
        "ASCII, café, naïve, e\u0301 (combining), Ελληνικά, Кириллица, עברית, العربية, 日本語, 한국어, हिन्दी, "
        + "👍🏽 👩‍👩‍👧‍👦 🇩🇪 𝒳 𠜎, zero\u200Bwidth, \u202Eoverride\u202C, line\u2028separator, tab\t, quote \" backslash \\ "
        + "slash / <tag> & entity, NUL-like \\u0000, bell \u0007, end.\nSecond line.";

    /// <summary>That many ASCII bytes, exactly: numbered lines of 64, in pieces of <paramref name="size"/>.</summary>
    public static IEnumerable<string> Lines(long bytes, int size)
    {
        const int width = 64;
        var piece = new StringBuilder(size + width);
        for (long sent = 0, line = 0; sent < bytes;)
        {
            while (piece.Length < size && sent + piece.Length < bytes)
            {
                piece.Append(line++.ToString("D10", CultureInfo.InvariantCulture))
                    .Append(' ').Append('x', width - 12).Append('\n');
            }

            var take = (int)Math.Min(Math.Min(size, piece.Length), bytes - sent);
            yield return piece.ToString(0, take);
            piece.Remove(0, take);
            sent += take;
        }
    }

    /// <summary>Pieces of at least <paramref name="length"/> characters that never tear a surrogate pair apart.</summary>
    public static IEnumerable<string> Split(string text, int length)
    {
        for (var start = 0; start < text.Length;)
        {
            var end = Math.Min(text.Length, start + length);
            if (end < text.Length && char.IsHighSurrogate(text[end - 1])) end++;
            yield return text[start..end];
            start = end;
        }
    }
}

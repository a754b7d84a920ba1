using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Marionette.Agent.Events;

/// <summary>Bytes that claim to be text, made into text that every JSON reader accepts.</summary>
internal static class Utf8Text
{
    private const int EscapeLength = 6;

    /// <summary>Writes bytes as a JSON string; what is not UTF-8 becomes U+FFFD.</summary>
    public static void Write(Utf8JsonWriter json, ReadOnlySpan<byte> name, ReadOnlySpan<byte> text)
    {
        if (Utf8.IsValid(text))
            json.WriteString(name, text);
        else
            json.WriteString(name, Encoding.UTF8.GetString(text));
    }

    /// <summary>
    /// A JSON line as an agent wrote it, made safe to read: bytes that are no UTF-8 become U+FFFD, and so do escapes of half
    /// a surrogate pair (JavaScript writes them when it cuts a string inside an emoji; no UTF-8 reader can take them).
    /// </summary>
    /// <returns>The line itself when nothing was wrong with it, else a mended copy.</returns>
    public static ReadOnlyMemory<byte> MendJson(ReadOnlyMemory<byte> line)
    {
        var mended = Utf8.IsValid(line.Span) ? line : Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(line.Span));
        byte[]? copy = null;
        var bytes = mended.Span;
        for (var at = NextEscape(bytes, 0); at >= 0; at = NextEscape(bytes, at))
        {
            var unit = CodeUnit(bytes[at..]);
            if (char.IsHighSurrogate(unit) && char.IsLowSurrogate(CodeUnit(bytes[(at + EscapeLength)..])))
            {
                at += 2 * EscapeLength;
                continue;
            }

            if (char.IsSurrogate(unit))
            {
                copy ??= mended.ToArray();
                "\\ufffd"u8.CopyTo(copy.AsSpan(at));
            }

            at += EscapeLength;
        }

        return copy ?? mended;
    }

    /// <summary>The first bytes of a text, cut between characters, with a note of how much is missing.</summary>
    public static byte[] Head(ReadOnlySpan<byte> text, int limit)
    {
        if (text.Length <= limit)
            return text.ToArray();
        var length = limit;
        while (length > 0 && (text[length] & 0xC0) == 0x80)
            length--;
        return [.. text[..length], .. Encoding.UTF8.GetBytes($"…[{text.Length - length} bytes cut]")];
    }

    // Position of the next \u escape that starts with \ud, or -1. Other escapes are stepped over, so "\\ud800" is not one.
    private static int NextEscape(ReadOnlySpan<byte> bytes, int from)
    {
        while (from < bytes.Length)
        {
            var skip = bytes[from..].IndexOf((byte)'\\');
            if (skip < 0)
                return -1;
            from += skip;
            if (from + EscapeLength <= bytes.Length && bytes[from + 1] == 'u' && (bytes[from + 2] | 0x20) == 'd')
                return from;
            from += 2;
        }

        return -1;
    }

    private static char CodeUnit(ReadOnlySpan<byte> escape) =>
        escape.Length >= EscapeLength && escape[0] == '\\' && escape[1] == 'u'
        && global::System.Buffers.Text.Utf8Parser.TryParse(escape.Slice(2, 4), out ushort unit, out var used, 'x') && used == 4
            ? (char)unit
            : '\0';
}

namespace Marionette.Log;

/// <summary>
/// PostgreSQL's jsonb refuses the escape <c>\u0000</c> (documented in its chapter on JSON types), and agents do print NUL. In state rows it becomes the
/// replacement character; the log keeps the bytes as they came.
/// </summary>
internal static class JsonbText
{
    public static byte[] WithoutNul(byte[] json)
    {
        byte[]? copy = null;
        for (var i = json.AsSpan().IndexOf("\\u0000"u8); i >= 0;)
        {
            var backslashes = 0;
            while (i - backslashes - 1 >= 0 && json[i - backslashes - 1] == '\\') backslashes++;
            if (backslashes % 2 == 0)
            {
                copy ??= (byte[])json.Clone();
                "\\ufffd"u8.CopyTo(copy.AsSpan(i));
            }

            var next = json.AsSpan(i + 6).IndexOf("\\u0000"u8);
            i = next < 0 ? -1 : i + 6 + next;
        }

        return copy ?? json;
    }
}

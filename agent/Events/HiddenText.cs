using System.Text;

namespace Marionette.Agent.Events;

/// <summary>
/// Texts that must not leave the runner. A model server may quote the key that it refuses, a tool may find one somewhere: the
/// bytes of every event are searched. Not thread-safe: the sink's lock guards it.
/// </summary>
internal sealed class HiddenText
{
    // Anything shorter would turn up in innocent text.
    private const int Shortest = 8;

    private readonly List<byte[]> secrets = [];

    private static ReadOnlySpan<byte> Mark => "[redacted]"u8;

    public void Add(string secret)
    {
        if (secret.Length < Shortest)
            return;
        // As it stands inside a JSON string; keys of letters, digits and dashes look the same there.
        var bytes = Encoding.UTF8.GetBytes(secret);
        if (!secrets.Exists(known => known.AsSpan().SequenceEqual(bytes)))
            secrets.Add(bytes);
    }

    /// <returns>The data itself when it holds none of them, else a copy without them.</returns>
    public ReadOnlyMemory<byte> Redact(ReadOnlyMemory<byte> data)
    {
        foreach (var secret in secrets)
        {
            var at = data.Span.IndexOf(secret);
            while (at >= 0)
            {
                data = (byte[])[.. data.Span[..at], .. Mark, .. data.Span[(at + secret.Length)..]];
                var next = data.Span[(at + Mark.Length)..].IndexOf(secret);
                at = next < 0 ? -1 : at + Mark.Length + next;
            }
        }

        return data;
    }
}

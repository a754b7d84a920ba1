using System.Text;

namespace Marionette.Agent.Broker;

/// <summary>Request line and header fields of one HTTP/1.1 request.</summary>
internal sealed class RequestHead
{
    private RequestHead(string method, string target, List<(string Name, string Value)> fields)
    {
        Method = method;
        Target = target;
        Fields = fields;
    }

    public string Method { get; }

    /// <summary>Path and query, from the slash on.</summary>
    public string Target { get; }

    public IReadOnlyList<(string Name, string Value)> Fields { get; }

    /// <summary>Length of the body; 0 when there is none, null when it comes in chunks.</summary>
    public long? BodyLength { get; private set; } = 0;

    public bool KeepAlive { get; private set; } = true;

    /// <summary>The client waits for a "100 Continue" before it sends the body.</summary>
    public bool ExpectsContinue { get; private set; }

    public string? this[string name] => Fields
        .Where(field => field.Name.Equals(name, StringComparison.OrdinalIgnoreCase)).Select(field => field.Value).FirstOrDefault();

    /// <summary>
    /// Parses a head without its last empty line. Anything that two readers could understand differently is refused.
    /// </summary>
    public static RequestHead? TryParse(ReadOnlySpan<byte> bytes)
    {
        var lines = Encoding.Latin1.GetString(bytes).Split("\r\n");
        var request = lines[0].Split(' ');
        if (request.Length != 3 || request[0].Length == 0 || !request[1].StartsWith('/') || request[2] != "HTTP/1.1")
            return null;
        var fields = new List<(string Name, string Value)>(lines.Length);
        foreach (var line in lines.AsSpan(1))
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0 || line[..colon].AsSpan().IndexOfAny(' ', '\t') >= 0 || line.AsSpan().IndexOfAny('\r', '\n', '\0') >= 0)
                return null;
            fields.Add((line[..colon], line[(colon + 1)..].Trim()));
        }

        var head = new RequestHead(request[0], request[1], fields);
        return head.ReadFraming() ? head : null;
    }

    private bool ReadFraming()
    {
        var lengths = All("Content-Length");
        var codings = All("Transfer-Encoding");
        if (lengths.Count > 1 || codings.Count > 1 || (lengths.Count > 0 && codings.Count > 0))
            return false;
        if (codings.Count == 1)
        {
            if (!codings[0].Equals("chunked", StringComparison.OrdinalIgnoreCase))
                return false;
            BodyLength = null;
        }
        else if (lengths.Count == 1)
        {
            if (!long.TryParse(lengths[0], System.Globalization.NumberStyles.None, null, out var length))
                return false;
            BodyLength = length;
        }

        KeepAlive = !All("Connection").Any(value => value.Contains("close", StringComparison.OrdinalIgnoreCase));
        ExpectsContinue = All("Expect").Any(value => value.Equals("100-continue", StringComparison.OrdinalIgnoreCase));
        return true;
    }

    private List<string> All(string name) =>
        [.. Fields.Where(field => field.Name.Equals(name, StringComparison.OrdinalIgnoreCase)).Select(field => field.Value)];
}

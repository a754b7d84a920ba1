using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Marionette.Gateway.Rest;

/// <summary>Reads a body whole, because its hash is needed as well as its content.</summary>
internal static class RequestBody
{
    /// <exception cref="MarionetteException">TooLarge.</exception>
    public static async ValueTask<ReadOnlyMemory<byte>> ReadAsync(HttpRequest request, int limit, CancellationToken cancellationToken)
    {
        if (request.ContentLength > limit) throw TooLarge(limit);
        var reader = request.BodyReader;
        while (true)
        {
            var read = await reader.ReadAsync(cancellationToken);
            if (read.Buffer.Length > limit)
            {
                reader.AdvanceTo(read.Buffer.End);
                throw TooLarge(limit);
            }
            if (read.IsCompleted)
            {
                var body = read.Buffer.ToArray();
                reader.AdvanceTo(read.Buffer.End);
                return body;
            }
            reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    /// <summary>The body as the model; a body that may be left out and is, gives an empty model.</summary>
    /// <exception cref="MarionetteException">Invalid, with the path of what is wrong.</exception>
    public static T Parse<T>(ReadOnlyMemory<byte> body, JsonTypeInfo<T> type, T? whenEmpty = null) where T : class
    {
        if (whenEmpty is not null && body.Span.Trim(" \t\r\n"u8).IsEmpty) return whenEmpty;
        try
        {
            return JsonSerializer.Deserialize(body.Span, type) ?? throw Invalid("", "must be a JSON object");
        }
        catch (JsonException exception)
        {
            throw Explain(exception);
        }
    }

    private static MarionetteException Explain(JsonException exception)
    {
        var path = exception.Path is { Length: > 1 } text && text.StartsWith('$') ? text[1..].TrimStart('.') : "";
        // The serializer's own words name types of ours; only which kind of error it is matters here.
        if (exception.Message.Contains("could not be mapped to any .NET member", StringComparison.Ordinal)) return Invalid(path, "is not a member of this body");
        if (exception.Message.StartsWith("Duplicate property", StringComparison.Ordinal)) return Invalid(path, "stands there twice");
        if (exception.InnerException is JsonException or null && exception.Message.StartsWith("The JSON value could not be converted", StringComparison.Ordinal))
            return Invalid(path, "has the wrong type");
        if (exception.InnerException is InvalidOperationException or FormatException) return Invalid(path, "has the wrong type or is not valid Unicode");
        return Invalid(path, $"is not valid JSON at line {(exception.LineNumber ?? 0) + 1}, byte {exception.BytePositionInLine ?? 0}");
    }

    private static MarionetteException Invalid(string path, string message) => new([new FieldError(path.Length == 0 ? "body" : path, message)]);

    private static MarionetteException TooLarge(int limit) => new(FaultCode.TooLarge, $"The body is larger than {limit} bytes.");
}

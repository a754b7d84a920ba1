using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Marionette.Agent.Agents.Rpc;

/// <summary>Writes messages of JSON-RPC 2.0, each as one line.</summary>
internal static class RpcLine
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static byte[] Request(long id, string method, Action<Utf8JsonWriter>? parameters) => Line(json =>
    {
        json.WriteNumber("id"u8, id);
        json.WriteString("method"u8, method);
        Parameters(json, parameters);
    });

    public static byte[] Notification(string method, Action<Utf8JsonWriter>? parameters) => Line(json =>
    {
        json.WriteString("method"u8, method);
        Parameters(json, parameters);
    });

    /// <param name="id">The request's id as it came: a number or a text in JSON.</param>
    /// <param name="result">Writes the members of the result's object.</param>
    public static byte[] Result(string id, Action<Utf8JsonWriter>? result) => Line(json =>
    {
        json.WritePropertyName("id"u8);
        json.WriteRawValue(id);
        json.WriteStartObject("result"u8);
        result?.Invoke(json);
        json.WriteEndObject();
    });

    /// <inheritdoc cref="Result"/>
    public static byte[] Error(string id, int code, string message) => Line(json =>
    {
        json.WritePropertyName("id"u8);
        json.WriteRawValue(id);
        json.WriteStartObject("error"u8);
        json.WriteNumber("code"u8, code);
        json.WriteString("message"u8, message);
        json.WriteEndObject();
    });

    private static void Parameters(Utf8JsonWriter json, Action<Utf8JsonWriter>? write)
    {
        json.WriteStartObject("params"u8);
        write?.Invoke(json);
        json.WriteEndObject();
    }

    private static byte[] Line(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer, Options))
        {
            json.WriteStartObject();
            json.WriteString("jsonrpc"u8, "2.0"u8);
            write(json);
            json.WriteEndObject();
        }

        return [.. buffer.WrittenSpan, (byte)'\n'];
    }
}

using System.Text;
using System.Text.Json;

namespace Marionette.Cli.Output;

/// <summary>The API's JSON as YAML, for <c>-o yaml</c>. Strings are quoted whenever YAML could read them as something else.</summary>
internal static class YamlWriter
{
    public static string Write(JsonElement element)
    {
        var text = new StringBuilder();
        Node(element, 0, text, afterKey: false);
        return text.ToString();
    }

    private static void Node(JsonElement element, int indent, StringBuilder text, bool afterKey)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object when element.EnumerateObject().Any():
                Members(element, indent, text, afterKey);
                break;
            case JsonValueKind.Array when element.GetArrayLength() > 0:
                if (afterKey)
                    text.Append('\n');
                foreach (var item in element.EnumerateArray())
                {
                    text.Append(' ', indent).Append('-');
                    if (IsNested(item) && item.ValueKind == JsonValueKind.Object)
                        Members(item, indent + 2, text.Append(' '), afterKey: false, firstInline: true);
                    else
                        Node(item, indent + 2, text, afterKey: true);
                }
                break;
            default:
                text.Append(afterKey ? " " : "").Append(Scalar(element)).Append('\n');
                break;
        }
    }

    private static void Members(JsonElement element, int indent, StringBuilder text, bool afterKey, bool firstInline = false)
    {
        if (afterKey)
            text.Append('\n');
        var first = firstInline;
        foreach (var member in element.EnumerateObject())
        {
            text.Append(' ', first ? 0 : indent).Append(Quote(member.Name)).Append(':');
            Node(member.Value, indent + 2, text, afterKey: true);
            first = false;
        }
    }

    private static bool IsNested(JsonElement element) =>
        element.ValueKind == JsonValueKind.Object && element.EnumerateObject().Any();

    private static string Scalar(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.String => Quote(element.GetString()!),
        JsonValueKind.Object => "{}",
        JsonValueKind.Array => "[]",
        _ => element.GetRawText(),
    };

    private static string Quote(string value)
    {
        var plain = value.Length > 0 && char.IsAsciiLetter(value[0])
            && value.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.' or '/')
            && value.ToLowerInvariant() is not ("true" or "false" or "null" or "yes" or "no" or "on" or "off" or "y" or "n");
        // A JSON string is a YAML string.
        return plain ? value : $"\"{JsonEncodedText.Encode(value, System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping)}\"";
    }
}

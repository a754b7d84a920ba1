using System.Text.Json;
using System.Text.Json.Nodes;
using Json.Schema;

namespace Marionette.Agent.Runs;

/// <summary>A JSON Schema that a run's result must meet.</summary>
internal sealed class OutputSchema
{
    private const int MaxErrors = 20;
    private const string Fence = "```";

    private static readonly JsonDocumentOptions Bounded = new() { MaxDepth = 128 };
    private static readonly EvaluationOptions Listing = new() { OutputFormat = OutputFormat.List };

    private readonly JsonSchema schema;

    private OutputSchema(JsonSchema schema, string text)
    {
        this.schema = schema;
        Text = text;
    }

    /// <summary>The schema as it came.</summary>
    public string Text { get; }

    /// <summary>Reads a schema.</summary>
    /// <returns>Null, and what is wrong with it.</returns>
    public static OutputSchema? Read(ReadOnlyMemory<byte> json, out string problem)
    {
        problem = "";
        try
        {
            var node = JsonNode.Parse(json.Span, documentOptions: Bounded);
            if (node is not (JsonObject or JsonValue))
                problem = "it is neither an object nor true or false";
            else if (Errors(MetaSchemas.Draft202012.Evaluate(node, Listing)) is { Count: > 0 } faults)
                problem = string.Join("; ", faults);
            if (problem.Length > 0)
                return null;
            var text = node!.ToJsonString();
            var schema = JsonSchema.FromText(text);
            schema.Evaluate(JsonNode.Parse("null"), Listing); // a reference that leads nowhere shows only now
            return new OutputSchema(schema, text);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or ArgumentException
            or NotSupportedException or JsonSchemaException)
        {
            problem = exception.Message;
            return null;
        }
    }

    /// <summary>Looks for the JSON in an answer and holds it to the schema.</summary>
    /// <param name="structured">What the agent gave as JSON of itself; empty when it did not.</param>
    /// <param name="answer">What it said.</param>
    /// <param name="errors">Why there is none that meets the schema.</param>
    /// <returns>The JSON, on one line; null when there is none.</returns>
    public byte[]? Find(ReadOnlyMemory<byte> structured, string? answer, out IReadOnlyList<string> errors)
    {
        errors = ["There is no JSON in the answer."];
        foreach (var candidate in Candidates(structured, answer ?? ""))
        {
            JsonNode? node;
            try
            {
                node = JsonNode.Parse(candidate, documentOptions: Bounded);
            }
            catch (JsonException)
            {
                continue;
            }

            errors = Errors(schema.Evaluate(node, Listing));
            return errors.Count == 0 ? System.Text.Encoding.UTF8.GetBytes(node?.ToJsonString() ?? "null") : null;
        }

        return null;
    }

    // The whole answer, then its last fenced block, then what begins at each brace or bracket, the last closing one first.
    private static IEnumerable<string> Candidates(ReadOnlyMemory<byte> structured, string answer)
    {
        if (!structured.IsEmpty)
            yield return System.Text.Encoding.UTF8.GetString(structured.Span);
        yield return answer;
        var close = answer.LastIndexOf(Fence, StringComparison.Ordinal);
        var open = close > 0 ? answer.LastIndexOf(Fence, close - 1, StringComparison.Ordinal) : -1;
        if (open >= 0 && answer.IndexOf('\n', open) is var line && line > open && line < close)
            yield return answer[(line + 1)..close];
        var end = answer.LastIndexOfAny(['}', ']']);
        if (end < 0)
            yield break;
        var opening = answer[end] == '}' ? '{' : '[';
        for (int start = answer.IndexOf(opening), tries = 0; start >= 0 && start < end && tries < 100; tries++)
        {
            yield return answer[start..(end + 1)];
            start = answer.IndexOf(opening, start + 1);
        }
    }

    private static List<string> Errors(EvaluationResults results) => results.IsValid
        ? []
        : [.. results.Details.Append(results)
            .Where(detail => detail.HasErrors)
            .SelectMany(detail => detail.Errors!.Select(error => $"{Place(detail)}: {error.Value}"))
            .Distinct().DefaultIfEmpty("the value does not meet the schema").Take(MaxErrors)];

    private static string Place(EvaluationResults detail) =>
        detail.InstanceLocation.ToString() is { Length: > 0 } place ? place : "/";
}

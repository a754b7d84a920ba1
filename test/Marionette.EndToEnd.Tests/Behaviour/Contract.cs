using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>An operation of the contract that the server publishes.</summary>
/// <param name="Scope">What its key needs.</param>
/// <param name="Body">JSON Schema of its body, or null.</param>
/// <param name="Query">Names of its query parameters.</param>
internal sealed record Operation(HttpMethod Method, string Path, string Scope, JsonElement? Body, IReadOnlyList<string> Query)
{
    /// <summary>Takes a body of JSON and refuses a wrong one.</summary>
    public bool HasBody => Method == HttpMethod.Post && !Path.EndsWith("/execute", StringComparison.Ordinal)
        && Path is not ("/api/v1/snapshots" or "/api/v1/storage/collect" or "/api/v1/storage/check" or "/api/v1/storage/rewrap");

    /// <summary>It belongs to no tenant: only the scope "operator" opens it, which "*" does not have.</summary>
    public bool IsOperators => Scope == "operator";

    public bool HasId => Path.Contains('{', StringComparison.Ordinal);

    /// <summary>The collection that the id belongs to: <c>sessions</c>, <c>tasks</c>, …; logs are asked for by task.</summary>
    public string Collection => Path.Split('/')[3] is var name && name == "logs" ? "tasks" : name;

    /// <summary>The path with an id in its place.</summary>
    public string With(string id) => System.Text.RegularExpressions.Regex.Replace(Path, @"\{[^}]+\}", id);

    public override string ToString() => $"{Method} {Path}";
}

/// <summary>What <c>/openapi.json</c> says: the tests go over every route that there is, also over those that come later.</summary>
internal static class Contract
{
    public static async Task<List<Operation>> ReadAsync(Api api)
    {
        var document = await api.GetAsync("/openapi.json");
        var operations = new List<Operation>();
        foreach (var path in document.GetProperty("paths").EnumerateObject().Where(path => path.Name.StartsWith("/api/", StringComparison.Ordinal)))
        {
            foreach (var operation in path.Value.EnumerateObject().Where(member => member.Name is "get" or "post" or "delete" or "put" or "patch"))
            {
                // A body that is no JSON is a file's bytes.
                JsonElement? body = operation.Value.TryGetProperty("requestBody", out var request) && request.GetProperty("content").TryGetProperty("application/json", out var json)
                    ? Resolve(document, json.GetProperty("schema"))
                    : null;
                List<string> query = operation.Value.TryGetProperty("parameters", out var parameters)
                    ? [.. parameters.EnumerateArray().Where(p => p.Text("in") == "query").Select(p => p.Text("name")!)]
                    : [];
                operations.Add(new(HttpMethod.Parse(operation.Name.ToUpperInvariant()), path.Name, operation.Value.Text("x-scope")!, body, query));
            }
        }

        Assert.True(operations.Count >= 20, $"the contract has {operations.Count} operations only");
        Assert.DoesNotContain(operations, operation => string.IsNullOrEmpty(operation.Scope));
        return operations;
    }

    /// <summary>Types that a property may have.</summary>
    public static List<string> TypesOf(JsonElement schema) => !schema.TryGetProperty("type", out var type) ? []
        : type.ValueKind == JsonValueKind.Array ? [.. type.EnumerateArray().Select(t => t.GetString()!)] : [type.GetString()!];

    private static JsonElement Resolve(JsonElement document, JsonElement schema)
    {
        if (schema.TryGetProperty("oneOf", out var choices)) return Resolve(document, choices.EnumerateArray().First(choice => choice.TryGetProperty("$ref", out _)));
        return schema.Text("$ref") is { } name ? document.GetProperty("components").GetProperty("schemas").GetProperty(name.Split('/')[^1]) : schema;
    }
}

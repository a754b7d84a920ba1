using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Marionette.Gateway.Auth;
using Marionette.Gateway.Rest;
using Marionette.Gateway.Rest.Models;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace Marionette.Gateway.OpenApi;

/// <summary>The OpenAPI 3.1 document, made from the endpoints. What stands in <c>openapi/marionette.v1.json</c> is held against it by a test.</summary>
internal static class OpenApiServices
{
    private const string KeyScheme = "api_key", Suffix = "Model", Sse = "text/event-stream";

    private const string About =
        "Control plane for AI coding agents. JSON is snake_case, null members are left out, times are RFC 3339 in UTC. Errors are "
        + "application/problem+json. Every POST takes an Idempotency-Key.";

    public static IServiceCollection AddMarionetteOpenApi(this IServiceCollection services) => services.AddOpenApi(EndpointDeclarations.Document, options =>
    {
        options.OpenApiVersion = OpenApiSpecVersion.OpenApi3_1;
        // The host may have endpoints of its own (dashboard, metrics, the runners' gRPC).
        options.ShouldInclude = description => description.GroupName == EndpointDeclarations.Document;
        options.CreateSchemaReferenceId = NameOf;
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo { Title = "Marionette", Version = EndpointDeclarations.Document, Description = About };
            document.Servers = [];
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
            {
                [KeyScheme] = new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "bearer", Description = "mk_ and 43 characters." },
            };
            foreach (var schema in (document.Components.Schemas ?? new Dictionary<string, IOpenApiSchema>()).Values.OfType<OpenApiSchema>()) Rename(schema);
            return Task.CompletedTask;
        });
        options.AddOperationTransformer(DescribeOperation);
        options.AddSchemaTransformer(DescribeSchema);
    });

    // The host's own JSON settings stay as they are, so names and numbers are put here into the form that GatewayJsonContext gives them.
    private static Task DescribeSchema(OpenApiSchema schema, OpenApiSchemaTransformerContext context, CancellationToken cancellationToken)
    {
        var values = context.JsonPropertyInfo?.AttributeProvider?.GetCustomAttributes(typeof(OneOfAttribute), false).OfType<OneOfAttribute>().FirstOrDefault();
        if (values is not null) schema.Enum = [.. values.Values.Select(value => (JsonNode)JsonValue.Create(value))];
        if (schema.Type is { } type && (type & (JsonSchemaType.Integer | JsonSchemaType.Number)) != 0)
        {
            schema.Type = type & ~JsonSchemaType.String;
            schema.Pattern = null;
        }
        // Members that are null are left out: optional is all there is to say.
        if (schema.Type is { } nullable && nullable != JsonSchemaType.Null) schema.Type = nullable & ~JsonSchemaType.Null;
        return Task.CompletedTask;
    }

    private static void Rename(OpenApiSchema schema)
    {
        schema.Properties = schema.Properties?.ToDictionary(pair => Snake(pair.Key), pair => pair.Value is OpenApiSchema { OneOf: [_, var reference] } ? reference : pair.Value);
        schema.Required = schema.Required?.Select(Snake).ToHashSet();
    }

    private static string Snake(string name) => JsonNamingPolicy.SnakeCaseLower.ConvertName(name);

    private static Task DescribeOperation(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellationToken)
    {
        var metadata = context.Description.ActionDescriptor.EndpointMetadata;
        operation.Parameters ??= [];
        foreach (var parameter in metadata.OfType<QueryParameter>())
            operation.Parameters.Add(new OpenApiParameter
            {
                Name = parameter.Name, In = ParameterLocation.Query, Description = parameter.Description, Schema = TextSchema(parameter.Repeats),
            });
        if (context.Description.HttpMethod == HttpMethods.Post)
            operation.Parameters.Add(new OpenApiParameter
            {
                Name = "Idempotency-Key", In = ParameterLocation.Header, Schema = TextSchema(false),
                Description = "1 to 255 printable characters. The same key with the same request gives the same object, with another one 409.",
            });
        if (metadata.OfType<ScopeMetadata>().LastOrDefault() is { } scope)
        {
            operation.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(KeyScheme, context.Document)] = [] }];
            operation.Extensions ??= new Dictionary<string, IOpenApiExtension>();
            operation.Extensions["x-scope"] = new JsonNodeExtension(JsonValue.Create(scope.Scope));
        }
        if (operation.Responses is { } responses && responses.TryGetValue("200", out var ok) && ok.Content is { } content && content.ContainsKey(Sse))
            content[Sse] = new OpenApiMediaType { Schema = new OpenApiSchemaReference("Event", context.Document) };
        if (RequestExamples.Of(operation.OperationId) is { } example && operation.RequestBody?.Content is { } body && body.TryGetValue("application/json", out var json))
            json.Example = example;
        if (operation.Parameters.Count == 0) operation.Parameters = null;
        return Task.CompletedTask;
    }

    private static string? NameOf(JsonTypeInfo type)
    {
        if ((Nullable.GetUnderlyingType(type.Type) ?? type.Type) == typeof(JsonElement)) return null; // any JSON: nothing to refer to
        if (type.Type.IsGenericType && type.Type.GetGenericTypeDefinition() == typeof(ListModel<>)) return $"{Short(type.Type.GenericTypeArguments[0])}List";
        return OpenApiOptions.CreateDefaultSchemaReferenceId(type) is { } name ? Short(name) : null;

        static string Short(object nameOrType)
        {
            var text = nameOrType is Type t ? t.Name : (string)nameOrType;
            return text.EndsWith(Suffix, StringComparison.Ordinal) ? text[..^Suffix.Length] : text;
        }
    }

    private static OpenApiSchema TextSchema(bool repeats) => repeats
        ? new OpenApiSchema { Type = JsonSchemaType.Array, Items = new OpenApiSchema { Type = JsonSchemaType.String } }
        : new OpenApiSchema { Type = JsonSchemaType.String };
}

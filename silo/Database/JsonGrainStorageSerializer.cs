using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Orleans.Storage;

namespace Marionette.Silo.Database;

/// <summary>Turns grain state into the UTF-8 JSON that the <c>grain_state.state</c> column holds, and back.</summary>
/// <param name="resolver">Source-generated type information of the state records; null: reflection.</param>
public sealed class JsonGrainStorageSerializer(IJsonTypeInfoResolver? resolver = null) : IGrainStorageSerializer
{
    private readonly JsonSerializerOptions options = GrainStateJson.CreateOptions(resolver);

    /// <inheritdoc/>
    public BinaryData Serialize<T>(T? input) => new(JsonSerializer.SerializeToUtf8Bytes(input, options));

    /// <inheritdoc/>
    /// <exception cref="JsonException">The stored document does not fit <typeparamref name="T"/>.</exception>
    public T Deserialize<T>(BinaryData input) => JsonSerializer.Deserialize<T>(input.ToMemory().Span, options)!;
}

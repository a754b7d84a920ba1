using System.Text.Json.Nodes;

namespace Marionette.ModelServer.Tests;

/// <summary>Reads server-sent events one at a time.</summary>
internal sealed class SseReader(Stream stream) : IDisposable
{
    private readonly StreamReader _reader = new(stream);

    /// <summary>The next event's data, or null at the end of the stream.</summary>
    public async Task<JsonObject?> ReadAsync(CancellationToken cancellationToken)
    {
        var name = await _reader.ReadLineAsync(cancellationToken);
        if (name is null) return null;
        var data = await _reader.ReadLineAsync(cancellationToken);
        Assert.Equal("", await _reader.ReadLineAsync(cancellationToken));
        Assert.NotNull(data);
        Assert.StartsWith("data: ", data);
        var item = JsonNode.Parse(data["data: ".Length..])!.AsObject();
        Assert.Equal($"event: {item["type"]}", name);
        return item;
    }

    public async Task<List<JsonObject>> ReadAllAsync(CancellationToken cancellationToken)
    {
        var all = new List<JsonObject>();
        while (await ReadAsync(cancellationToken) is { } item) all.Add(item);
        return all;
    }

    /// <summary>The text that the deltas carry together.</summary>
    public static string TextOf(IEnumerable<JsonObject> events) => string.Concat(
        events.Where(e => (string?)e["type"] == "content_block_delta").Select(e => (string?)e["delta"]!["text"]));

    public void Dispose() => _reader.Dispose();
}

using System.Text.Json;
using System.Text.Json.Serialization;

namespace Marionette.ModelServer.Http;

/// <summary>The requests seen so far: in memory for tests, and as JSON lines for people.</summary>
internal sealed class RequestJournal : IDisposable
{
    private readonly Lock _gate = new();
    private readonly List<RecordedRequest> _requests = [];
    private readonly StreamWriter? _file;

    public RequestJournal(string? path)
    {
        if (path is null) return;
        var stream = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite);
        _file = new StreamWriter(stream) { AutoFlush = true };
    }

    /// <summary>A copy, in order of answering.</summary>
    public IReadOnlyList<RecordedRequest> Snapshot()
    {
        lock (_gate) return [.. _requests];
    }

    public void Add(RecordedRequest request)
    {
        lock (_gate)
        {
            _requests.Add(request);
            _file?.WriteLine(JsonSerializer.Serialize(request, JournalJson.Default.RecordedRequest));
        }
    }

    public void Dispose()
    {
        lock (_gate) _file?.Dispose();
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(RecordedRequest))]
internal sealed partial class JournalJson : JsonSerializerContext;

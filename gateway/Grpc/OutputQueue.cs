using System.Buffers;
using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Threading.Channels;
using Google.Protobuf;
using Marionette.Protocol.V1;
using Marionette.Runners;

namespace Marionette.Gateway.Grpc;

/// <summary>
/// What a runner has sent and its session has not taken. Batches that wait are joined, so that under load one append carries many messages. Everything
/// is checked here, once: what is stored is a JSON object on one line, whatever a runner sends.
/// </summary>
internal sealed class OutputQueue(long maxBytes)
{
    private const int MaxJoinedEvents = 8_192;
    private const long MaxJoinedBytes = 8 << 20;

    private static readonly SearchValues<char> TypeCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789._");

    private readonly Lock _gate = new();
    private readonly Queue<(OutputEvent Event, int Size)> _events = [];
    private readonly Channel<bool> _signal = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private long _first, _bytes;
    private string _type = "", _run = "";

    /// <summary>Called by the one loop that reads the stream.</summary>
    /// <exception cref="MarionetteException">Invalid: a gap, a malformed event, or more than the window allows.</exception>
    public void Add(EventBatch batch)
    {
        if (batch.Events.Count == 0) return;
        var checkedEvents = new (OutputEvent, int)[batch.Events.Count];
        long size = 0;
        for (var i = 0; i < checkedEvents.Length; i++)
        {
            var e = Check(batch.Events[i]);
            checkedEvents[i] = (e, e.Payload.Length);
            size += e.Payload.Length;
        }

        lock (_gate)
        {
            if (_events.Count > 0 && batch.First != _first + _events.Count)
                throw Invalid($"Event {batch.First} came where {_first + _events.Count} was due.");
            if (_bytes + size > maxBytes && _events.Count > 0) throw Invalid("More was sent than the window allows.");
            if (_events.Count == 0) _first = batch.First;
            foreach (var e in checkedEvents) _events.Enqueue(e);
            _bytes += size;
        }

        _signal.Writer.TryWrite(true);
    }

    /// <summary>All that waits, up to a bound; waits for something.</summary>
    public async Task<RunnerOutput?> TakeAsync(long epoch, CancellationToken cancellationToken)
    {
        while (true)
        {
            lock (_gate)
            {
                if (_events.Count > 0)
                {
                    var taken = ImmutableArray.CreateBuilder<OutputEvent>(Math.Min(_events.Count, MaxJoinedEvents));
                    var first = _first;
                    long bytes = 0;
                    while (taken.Count < MaxJoinedEvents && _events.TryPeek(out var next) && (taken.Count == 0 || bytes + next.Size <= MaxJoinedBytes))
                    {
                        _events.Dequeue();
                        taken.Add(next.Event);
                        bytes += next.Size;
                    }

                    _first += taken.Count;
                    _bytes -= bytes;
                    return new RunnerOutput(epoch, first, taken.ToImmutable());
                }
            }

            await _signal.Reader.ReadAsync(cancellationToken);
        }
    }

    private OutputEvent Check(Event e)
    {
        // An event mostly says what the one before said: it is checked once, and kept once.
        if (e.Type != _type) _type = CheckType(e.Type);
        if (e.Run.Length > 0 && e.Run != _run) _run = EntityId.Is(EntityId.Run, e.Run) ? e.Run : throw Invalid("An event's run is not a run's id.");
        if (e.Data.Length > RunnerLink.MaxEventBytes) throw Invalid($"An event of {e.Data.Length} bytes is over the limit of {RunnerLink.MaxEventBytes}.");
        return new OutputEvent(_type, e.Run.Length == 0 ? null : _run, e.AtMs, Compact(e.Data));
    }

    private static string CheckType(string type) => type.Length is > 0 and <= 64 && !type.AsSpan().ContainsAnyExcept(TypeCharacters)
        ? type
        : throw Invalid("An event's type must be 1 to 64 characters of [a-z0-9._].");

    /// <summary>One JSON object without raw line ends: they would break the frames of those who stream it.</summary>
    private static byte[] Compact(ByteString data)
    {
        var span = data.Span;
        try
        {
            var reader = new Utf8JsonReader(span, new JsonReaderOptions { MaxDepth = 256 });
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) throw Invalid("An event's data must be a JSON object.");
            reader.Skip();
            if (reader.Read()) throw Invalid("An event's data must be one JSON object.");
        }
        catch (JsonException)
        {
            throw Invalid("An event's data is not JSON.");
        }

        if (!System.Text.Unicode.Utf8.IsValid(span)) throw Invalid("An event's data is not UTF-8.");
        if (span.IndexOfAny((byte)'\n', (byte)'\r') >= 0) return Rewrite(data);
        // The parser gives each field an array of its own size: it can be kept as it is.
        return MemoryMarshal.TryGetArray(data.Memory, out var segment) && segment.Array is { } array && segment.Count == array.Length
            ? array
            : data.ToByteArray();
    }

    private static byte[] Rewrite(ByteString data)
    {
        using var document = JsonDocument.Parse(data.Memory, new JsonDocumentOptions { MaxDepth = 256 });
        using var buffer = new MemoryStream(data.Length);
        using (var writer = new Utf8JsonWriter(buffer)) document.WriteTo(writer);
        return buffer.ToArray();
    }

    private static MarionetteException Invalid(string message) => new(FaultCode.Invalid, message);
}

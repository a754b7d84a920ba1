using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Marionette.Agent.Spool;

namespace Marionette.Agent.Events;

/// <summary>Where everything goes that the agent says: writes an event's JSON and puts it in the spool. Safe for any thread.</summary>
internal sealed class EventSink(EventSpool spool, TimeProvider clock)
{
    /// <summary>Limit of events.md, used until a server names its own.</summary>
    public const int DefaultMaxEventBytes = 32 * 1024 * 1024;

    private const int KeptBytes = 256 * 1024;

    // The text goes to programs, never into a page as it is; escaping every non-ASCII letter would double a Chinese answer.
    private static readonly JsonWriterOptions Options = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
    };

    private readonly Lock gate = new();
    private ArrayBufferWriter<byte> buffer = new(1024);
    private Utf8JsonWriter? writer;
    private readonly HiddenText secrets = new();

    /// <summary>Largest <c>data</c> of an event; a larger one is cut.</summary>
    public int MaxEventBytes { get; set; } = DefaultMaxEventBytes;

    /// <summary>This text never leaves in an event, whoever printed it. For the credential and what stands in for it.</summary>
    public void Hide(string secret)
    {
        lock (gate)
            secrets.Add(secret);
    }

    /// <summary>Numbers and spools one event.</summary>
    /// <param name="type">A type of events.md.</param>
    /// <param name="run">Run it belongs to; empty for the runner's own events.</param>
    /// <param name="state">Passed to <paramref name="write"/>, so that it needs no closure.</param>
    /// <param name="write">Writes the members of the <c>data</c> object.</param>
    public void Emit<TState>(
        ReadOnlySpan<byte> type, ReadOnlySpan<byte> run, TState state, Action<Utf8JsonWriter, TState> write)
        where TState : allows ref struct
    {
        lock (gate)
        {
            buffer.ResetWrittenCount();
            writer ??= new Utf8JsonWriter(buffer, Options);
            writer.Reset(buffer);
            writer.WriteStartObject();
            write(writer, state);
            writer.WriteEndObject();
            writer.Flush();
            var data = secrets.Redact(buffer.WrittenMemory);
            if (data.Length > MaxEventBytes)
                data = PayloadLimit.Cut(data, MaxEventBytes);
            spool.Append(new EventPayload(type, clock.GetUtcNow().ToUnixTimeMilliseconds(), run, data.Span));
            if (buffer.Capacity <= KeptBytes)
                return;
            buffer = new ArrayBufferWriter<byte>(1024);
            writer.Reset(buffer);
        }
    }

    /// <summary>Makes what was emitted survive a crash of the agent, and lets it be sent. Called after each piece of input.</summary>
    public void Commit() => spool.Commit();

    /// <summary>Waits while the spool is full; whoever reads an agent's output asks before it reads more.</summary>
    public ValueTask WaitForSpaceAsync(CancellationToken cancellationToken) => spool.WaitForSpaceAsync(cancellationToken);

    /// <summary>A <c>log</c> event.</summary>
    public void Log(
        ReadOnlySpan<byte> run, LogStream stream, LogSeverity level, ReadOnlySpan<byte> content, bool partial = false)
    {
        Emit("log"u8, run, new LogLine(stream, level, content, partial), static (json, log) => log.Write(json));
    }

    /// <summary>A <c>log</c> event of the agent itself.</summary>
    public void System(ReadOnlySpan<byte> run, LogSeverity level, string content) =>
        Log(run, LogStream.System, level, global::System.Text.Encoding.UTF8.GetBytes(content));

    private readonly ref struct LogLine(LogStream stream, LogSeverity level, ReadOnlySpan<byte> content, bool partial)
    {
        private readonly ReadOnlySpan<byte> content = content;

        public void Write(Utf8JsonWriter json)
        {
            json.WriteString("stream"u8, stream.Name());
            json.WriteString("level"u8, level.Name());
            Utf8Text.Write(json, "content"u8, content);
            if (partial)
                json.WriteBoolean("partial"u8, true);
        }
    }
}

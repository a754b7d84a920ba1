using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using Marionette.ModelServer.Scenarios;

namespace Marionette.ModelServer.Wire;

/// <summary>Plays an answer's beats at their pace. How each looks on the wire is the API's business: one subclass each.</summary>
internal abstract class AnswerStream(PipeWriter output, Pace pace)
{
    private const int FlushAt = 32 * 1024;

    /// <summary>How the stream came to its end.</summary>
    internal enum End
    {
        /// <summary>In order.</summary>
        Complete,

        /// <summary>With an error inside the stream.</summary>
        Failed,

        /// <summary>In the middle: the caller has to cut the connection.</summary>
        Cut,
    }

    /// <summary>UTF-8 bytes said so far; they count as output.</summary>
    protected long Bytes { get; private set; }

    public async Task<End> WriteAsync(Answer script, int attempt, CancellationToken cancellationToken)
    {
        Begin();
        await output.FlushAsync(cancellationToken);
        foreach (var beat in script.Beats)
        {
            switch (beat)
            {
                case TextBeat text:
                    await TextAsync(text, cancellationToken);
                    break;
                case ThinkingBeat thinking:
                    Bytes += AnswerWriter.BytesOf(thinking);
                    Thinking(thinking);
                    break;
                case ToolBeat tool:
                    Bytes += AnswerWriter.BytesOf(tool);
                    Tool(tool);
                    break;
                case SilenceBeat silence:
                    await pace.WaitAsync(silence.Duration, gate: null, cancellationToken);
                    break;
                case BreakBeat broken when attempt < broken.Times:
                    return await BreakAsync(broken, cancellationToken);
            }

            await output.FlushAsync(cancellationToken);
        }

        Finish(script.StopReason);
        await output.FlushAsync(cancellationToken);
        return End.Complete;
    }

    protected abstract void Begin();

    protected abstract void StartText();

    protected abstract void TextPiece(string piece);

    protected abstract void StopText();

    protected abstract void Thinking(ThinkingBeat thinking);

    protected abstract void Tool(ToolBeat tool);

    protected abstract void Error(string type, string message);

    protected abstract void Finish(string stopReason);

    /// <summary>One server-sent event with a JSON object.</summary>
    /// <param name="name">Its name; null for an event without one.</param>
    protected void Event(string? name, Action<Utf8JsonWriter> members)
    {
        if (name is not null) Encoding.UTF8.GetBytes($"event: {name}\n", output);
        Encoding.UTF8.GetBytes("data: ", output);
        using (var json = AnswerWriter.Open(output))
        {
            json.WriteStartObject();
            members(json);
            json.WriteEndObject();
        }

        Encoding.UTF8.GetBytes("\n\n", output);
    }

    /// <summary>An event that is no JSON.</summary>
    protected void Plain(string data) => Encoding.UTF8.GetBytes($"data: {data}\n\n", output);

    private async Task TextAsync(TextBeat text, CancellationToken cancellationToken)
    {
        StartText();
        foreach (var piece in text.Pieces)
        {
            if (text.Delay > TimeSpan.Zero) await pace.WaitAsync(text.Delay, text.Gate, cancellationToken);
            Bytes += Encoding.UTF8.GetByteCount(piece);
            TextPiece(piece);
            if (text.Delay > TimeSpan.Zero || output.UnflushedBytes >= FlushAt) await output.FlushAsync(cancellationToken);
        }

        StopText();
    }

    private async Task<End> BreakAsync(BreakBeat broken, CancellationToken cancellationToken)
    {
        StartText();
        if (broken.Prefix.Length > 0) TextPiece(broken.Prefix);
        if (broken.ErrorType is { } type) Error(type, "Scripted failure in mid-stream");
        await output.FlushAsync(cancellationToken);
        return broken.ErrorType is null ? End.Cut : End.Failed;
    }
}

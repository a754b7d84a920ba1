using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using Marionette.ModelServer.Scenarios;

namespace Marionette.ModelServer.Wire;

/// <summary>Writes an answer as the API's server-sent events, at the pace the scenario asks for.</summary>
internal sealed class AnswerStream(PipeWriter output, AnswerWriter answer, TimeProvider time)
{
    private const int FlushAt = 32 * 1024;

    private int _index;
    private long _bytes;
    private bool _pinged;

    /// <summary>How the stream came to its end.</summary>
    internal enum End
    {
        /// <summary>With <c>message_stop</c>.</summary>
        Complete,

        /// <summary>With an <c>error</c> event.</summary>
        Failed,

        /// <summary>In the middle: the caller has to cut the connection.</summary>
        Cut,
    }

    public async Task<End> WriteAsync(Answer script, int attempt, CancellationToken cancellationToken)
    {
        Event("message_start", json =>
        {
            json.WriteStartObject("message");
            answer.Header(json);
            json.WriteStartArray("content");
            json.WriteEndArray();
            AnswerWriter.Stop(json, null);
            answer.WriteUsage(json, outputTokens: 1);
            json.WriteEndObject();
        });
        await output.FlushAsync(cancellationToken);

        foreach (var beat in script.Beats)
        {
            switch (beat)
            {
                case TextBeat text:
                    await TextAsync(text, cancellationToken);
                    break;
                case ThinkingBeat thinking:
                    Thinking(thinking);
                    break;
                case ToolBeat tool:
                    Tool(tool);
                    break;
                case SilenceBeat silence:
                    await Task.Delay(silence.Duration, time, cancellationToken);
                    break;
                case BreakBeat broken when attempt < broken.Times:
                    return await BreakAsync(broken, cancellationToken);
            }

            await output.FlushAsync(cancellationToken);
        }

        Event("message_delta", json =>
        {
            json.WriteStartObject("delta");
            AnswerWriter.Stop(json, script.StopReason);
            json.WriteEndObject();
            answer.WriteUsage(json, Usage.TokensOf(_bytes));
        });
        Event("message_stop", _ => { });
        await output.FlushAsync(cancellationToken);
        return End.Complete;
    }

    private async Task TextAsync(TextBeat text, CancellationToken cancellationToken)
    {
        StartText();
        foreach (var piece in text.Pieces)
        {
            if (text.Delay > TimeSpan.Zero) await Task.Delay(text.Delay, time, cancellationToken);
            _bytes += Encoding.UTF8.GetByteCount(piece);
            Delta("text_delta", "text", piece);
            if (text.Delay > TimeSpan.Zero || output.UnflushedBytes >= FlushAt) await output.FlushAsync(cancellationToken);
        }

        Stop();
    }

    private void Thinking(ThinkingBeat thinking)
    {
        Start(json =>
        {
            json.WriteString("type", "thinking");
            json.WriteString("thinking", "");
            json.WriteString("signature", "");
        });
        _bytes += AnswerWriter.BytesOf(thinking);
        foreach (var piece in Samples.Split(thinking.Text, 32)) Delta("thinking_delta", "thinking", piece);
        Delta("signature_delta", "signature", answer.Signature);
        Stop();
    }

    private void Tool(ToolBeat tool)
    {
        Start(json =>
        {
            json.WriteString("type", "tool_use");
            json.WriteString("id", answer.ToolId(_index));
            json.WriteString("name", tool.Tool);
            json.WriteStartObject("input");
            json.WriteEndObject();
        });
        _bytes += AnswerWriter.BytesOf(tool);
        Delta("input_json_delta", "partial_json", ""); // the API begins with an empty one
        foreach (var piece in Samples.Split(tool.Input.ToJsonString(), 24)) Delta("input_json_delta", "partial_json", piece);
        Stop();
    }

    private async Task<End> BreakAsync(BreakBeat broken, CancellationToken cancellationToken)
    {
        StartText();
        if (broken.Prefix.Length > 0) Delta("text_delta", "text", broken.Prefix);
        if (broken.ErrorType is { } type)
        {
            Event("error", json =>
            {
                json.WriteStartObject("error");
                json.WriteString("type", type);
                json.WriteString("message", "Scripted failure in mid-stream");
                json.WriteEndObject();
            });
        }

        await output.FlushAsync(cancellationToken);
        return broken.ErrorType is null ? End.Cut : End.Failed;
    }

    private void StartText() => Start(json =>
    {
        json.WriteString("type", "text");
        json.WriteString("text", "");
    });

    private void Start(Action<Utf8JsonWriter> block)
    {
        Event("content_block_start", json =>
        {
            json.WriteNumber("index", _index);
            json.WriteStartObject("content_block");
            block(json);
            json.WriteEndObject();
        });
        if (_pinged) return;
        _pinged = true;
        Event("ping", _ => { });
    }

    private void Delta(string type, string member, string value) => Event("content_block_delta", json =>
    {
        json.WriteNumber("index", _index);
        json.WriteStartObject("delta");
        json.WriteString("type", type);
        json.WriteString(member, value);
        json.WriteEndObject();
    });

    private void Stop()
    {
        Event("content_block_stop", json => json.WriteNumber("index", _index));
        _index++;
    }

    private void Event(string name, Action<Utf8JsonWriter> members)
    {
        Encoding.UTF8.GetBytes($"event: {name}\ndata: ", output);
        using (var json = AnswerWriter.Open(output))
        {
            json.WriteStartObject();
            json.WriteString("type", name);
            members(json);
            json.WriteEndObject();
        }

        Encoding.UTF8.GetBytes("\n\n", output);
    }
}

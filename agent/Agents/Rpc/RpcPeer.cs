using System.Text.Json;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Rpc;

/// <summary>Takes what the other side asks, tells and garbles. Called in the order of its lines, one at a time.</summary>
internal interface IRpcHandler
{
    /// <summary>A request; it is answered with <see cref="RpcPeer.AnswerAsync"/> or <see cref="RpcPeer.RefuseAsync"/>, now or later.</summary>
    /// <param name="id">The request's id as JSON.</param>
    /// <param name="parameters">Valid during the call.</param>
    void OnRequest(RpcPeer peer, string id, string method, JsonElement parameters);

    /// <summary>A notification.</summary>
    /// <param name="parameters">Valid during the call.</param>
    void OnNotification(RpcPeer peer, string method, JsonElement parameters);

    /// <summary>A message was understood as JSON; before it is handled.</summary>
    void OnMessage(RpcPeer peer, ReadOnlyMemory<byte> line);

    /// <summary>A line that is no message.</summary>
    void OnMalformed(RpcPeer peer, ReadOnlyMemory<byte> line, string what);
}

/// <summary>
/// One side of a JSON-RPC 2.0 conversation in lines. Requests go both ways, and each side numbers its own, so the same id may mean
/// two things at once. Safe for any thread, but lines are given to it one at a time.
/// </summary>
/// <param name="write">Sends one line; throws <see cref="IOException"/> when nobody reads any more.</param>
internal sealed class RpcPeer(Func<ReadOnlyMemory<byte>, Task> write, IRpcHandler handler)
{
    // The server takes 256 levels, and an event wraps what was said into a few more.
    private static readonly JsonDocumentOptions Deep = new() { MaxDepth = 240 };

    private readonly Lock gate = new();
    private readonly Dictionary<long, Waiting> waiting = [];
    private long nextId;
    private bool skipping;
    private string? closed;

    /// <summary>Asks and waits for the answer.</summary>
    /// <returns>The result, or an element of kind Undefined when the answer has none.</returns>
    /// <exception cref="RpcException">The answer is an error.</exception>
    /// <exception cref="IOException">The other side is gone, before or after it had the request.</exception>
    /// <exception cref="OperationCanceledException">Nobody waits for the answer any more; it is dropped when it comes.</exception>
    public async Task<JsonElement> CallAsync(string method, Action<Utf8JsonWriter>? parameters, CancellationToken cancellationToken = default)
    {
        var call = new Waiting(method);
        long id;
        lock (gate)
        {
            if (closed is not null)
                throw new IOException(closed);
            id = nextId++;
            waiting[id] = call;
        }

        try
        {
            await write(RpcLine.Request(id, method, parameters)).ConfigureAwait(false);
            return await call.Completion.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            lock (gate)
                waiting.Remove(id);
        }
    }

    /// <summary>Tells without an answer.</summary>
    /// <exception cref="IOException">The other side is gone.</exception>
    public Task TellAsync(string method, Action<Utf8JsonWriter>? parameters = null) => write(RpcLine.Notification(method, parameters));

    /// <summary>Answers a request. When the other side is gone, so is its wish to know.</summary>
    /// <returns>Whether the answer was sent.</returns>
    public Task<bool> AnswerAsync(string id, Action<Utf8JsonWriter>? result = null) => TryWriteAsync(RpcLine.Result(id, result));

    /// <inheritdoc cref="AnswerAsync"/>
    public Task<bool> RefuseAsync(string id, int code, string message) => TryWriteAsync(RpcLine.Error(id, code, message));

    /// <summary>A line came in.</summary>
    /// <param name="partial">The line goes on and is too long to be held: it is told once and skipped.</param>
    public void Take(ReadOnlyMemory<byte> line, bool partial)
    {
        if (partial || skipping)
        {
            if (!skipping)
                handler.OnMalformed(this, line, "longer than 64 MiB");
            skipping = partial;
            return;
        }

        if (line.Span.Trim(" \r\t"u8).IsEmpty)
            return;
        var text = Utf8Text.MendJson(line);
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(text, Deep);
        }
        catch (JsonException)
        {
            handler.OnMalformed(this, line, "not valid JSON");
            return;
        }

        using (document)
        {
            if (document.RootElement.ValueKind == JsonValueKind.Object)
                Handle(document.RootElement, text);
            else
                handler.OnMalformed(this, line, "not a JSON object");
        }
    }

    /// <summary>The other side will say no more: whoever waits for an answer learns it.</summary>
    public void Close(string reason)
    {
        Waiting[] all;
        lock (gate)
        {
            closed = reason;
            all = [.. waiting.Values];
            waiting.Clear();
        }

        foreach (var call in all)
            call.Completion.TrySetException(new IOException(reason));
    }

    private void Handle(JsonElement message, ReadOnlyMemory<byte> line)
    {
        var method = message.Text("method"u8);
        var id = message.Member("id"u8);
        if (method is null && id.ValueKind is not (JsonValueKind.Number or JsonValueKind.String))
        {
            handler.OnMalformed(this, line, "neither a request nor an answer");
            return;
        }

        handler.OnMessage(this, line);
        if (method is null)
            Answered(message, id);
        else if (id.ValueKind is JsonValueKind.Number or JsonValueKind.String)
            handler.OnRequest(this, id.GetRawText(), method, message.Member("params"u8));
        else
            handler.OnNotification(this, method, message.Member("params"u8));
    }

    private void Answered(JsonElement message, JsonElement id)
    {
        Waiting? call = null;
        lock (gate)
        {
            if (id.ValueKind == JsonValueKind.Number && id.TryGetInt64(out var number))
                waiting.Remove(number, out call);
        }

        if (call is null)
            return; // nobody asked, or nobody waits any more
        var error = message.Member("error"u8);
        if (error.ValueKind == JsonValueKind.Object)
            call.Completion.TrySetException(new RpcException(call.Method, error.Number("code"u8), Explain(error)));
        else
            call.Completion.TrySetResult(message.Member("result"u8) is { ValueKind: not JsonValueKind.Undefined } result ? result.Clone() : default);
    }

    // Several agents put the sentence that helps into data and leave "Internal error" as the message.
    private static string Explain(JsonElement error)
    {
        var message = error.Text("message"u8) ?? "an error without a message";
        var data = error.Member("data"u8);
        var detail = data.ValueKind switch
        {
            JsonValueKind.String => data.GetString(),
            JsonValueKind.Object => data.Text("details"u8) ?? data.Text("message"u8) ?? data.GetRawText(),
            _ => null,
        };
        return string.IsNullOrEmpty(detail) || message.Contains(detail, StringComparison.Ordinal) ? message : $"{message}: {detail}";
    }

    private async Task<bool> TryWriteAsync(byte[] line)
    {
        try
        {
            await write(line).ConfigureAwait(false);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private sealed record Waiting(string Method)
    {
        public TaskCompletionSource<JsonElement> Completion { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

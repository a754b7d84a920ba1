using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Marionette.ModelServer.Scenarios;
using Marionette.ModelServer.Wire;

namespace Marionette.ModelServer.Http;

/// <summary>The API's routes, and the one place where failures become answers.</summary>
internal sealed class ModelApi(ModelServerOptions options, RequestJournal journal, Pace pace, CancellationToken stopping)
{
    private static readonly string[] Models = ["claude-opus-5-5", "claude-sonnet-5", "claude-haiku-4-5"];

    private readonly KeyCheck _keys = new(options.RequiredKey);
    private readonly AttemptCounter _attempts = new();

    public async Task HandleAsync(HttpContext context)
    {
        var entry = new JournalEntry(context, options.TimeProvider, journal);
        var requestId = $"req_{RandomNumberGenerator.GetHexString(24, lowercase: true)}";
        context.Response.Headers["request-id"] = requestId;
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        try
        {
            await RouteAsync(context, entry, cancellation.Token);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            context.Abort(); // the caller has gone or the server stops: nobody reads an answer
        }
        catch (ApiException refused)
        {
            await ErrorAsync(context, refused, requestId, cancellation.Token);
        }
        catch (BadHttpRequestException bad) // for one, a body over the limit
        {
            var error = new ApiException(bad.StatusCode, ApiException.TypeOf(bad.StatusCode), bad.Message);
            await ErrorAsync(context, error, requestId, cancellation.Token);
        }
        finally
        {
            entry.Close();
        }
    }

    private Task RouteAsync(HttpContext context, JournalEntry entry, CancellationToken cancellationToken)
    {
        var path = context.Request.Path.Value ?? "/";
        var get = HttpMethods.IsGet(context.Request.Method);
        if (path == "/" && (get || HttpMethods.IsHead(context.Request.Method)))
            return JsonAsync(context, json => json.WriteString("service", "marionette scripted model"), cancellationToken);

        var key = KeyCheck.Read(context.Request.Headers);
        entry.KeySha256 = key is null ? null : KeyCheck.Hash(key);
        _keys.Demand(key);

        var post = HttpMethods.IsPost(context.Request.Method);
        return path switch
        {
            "/v1/messages" when post => AnswerAsync(context, entry, ModelDialect.Messages, cancellationToken),
            "/v1/responses" when post => AnswerAsync(context, entry, ModelDialect.Responses, cancellationToken),
            "/v1/chat/completions" when post => AnswerAsync(context, entry, ModelDialect.Chat, cancellationToken),
            "/v1/messages/count_tokens" when post => CountTokensAsync(context, entry, cancellationToken),
            "/v1/models" when get => ModelsAsync(context, cancellationToken),
            "/v1/messages" or "/v1/messages/count_tokens" or "/v1/models" or "/v1/responses" or "/v1/chat/completions" =>
                throw new ApiException(405, ApiException.TypeOf(400), $"{context.Request.Method} is not allowed here"),
            _ => throw new ApiException(404, ApiException.TypeOf(404), $"Not found: {path}"),
        };
    }

    private async Task AnswerAsync(
        HttpContext context, JournalEntry entry, ModelDialect dialect, CancellationToken cancellationToken)
    {
        var request = dialect.Parse(await ReadBodyAsync(context, cancellationToken));
        var session = entry.ReadSession(request);
        entry.Stream = request.Stream;
        entry.Step = request.Conversation.Step;
        entry.History = request.Conversation.HasHistory;
        entry.Images = request.Images;
        var script = ToolDialect.Translate(Script.At(request.Conversation), request.Conversation.Tools);
        var place = AttemptCounter.KeyOf(session, request.Conversation);
        var attempt = _attempts.Read(place, context.Request.Headers);
        entry.Scenario = script.Scenario;
        entry.Attempt = attempt;

        if (options.Latency > TimeSpan.Zero) await pace.WaitAsync(options.Latency, gate: null, cancellationToken);
        if (script.Beats.Any(b => Fails(b, attempt))) _attempts.CountFailure(place);
        if (script.Beats.OfType<RefusalBeat>().FirstOrDefault(r => attempt < r.Times) is { } refusal)
        {
            throw new ApiException(
                refusal.Status, refusal.Type ?? dialect.ErrorType(refusal.Status), refusal.Message, refusal.RetryAfterSeconds)
            {
                ResetsAt = refusal.ResetsInSeconds is { } wait ? options.TimeProvider.GetUtcNow().ToUnixTimeSeconds() + wait : null,
            };
        }

        var answer = new AnswerWriter(request, attempt);
        if (request.Stream) await StreamAsync(context, dialect.Stream(context.Response.BodyWriter, answer, pace), script, attempt, cancellationToken);
        else await WholeAsync(context, dialect, answer, script, attempt, cancellationToken);
    }

    /// <summary>
    /// Leaves the handler so that Kestrel sends what was flushed and closes without the last chunk. Abort would race with
    /// the sending: sometimes the caller would get the beginning of the answer, sometimes nothing.
    /// </summary>
    private sealed class BrokenOffException() : Exception("Scripted cut of the connection");

    private static bool Fails(Beat beat, int attempt) => beat switch
    {
        RefusalBeat refusal => attempt < refusal.Times,
        BreakBeat broken => attempt < broken.Times,
        _ => false,
    };

    private static async Task StreamAsync(
        HttpContext context, AnswerStream stream, Answer script, int attempt, CancellationToken cancellationToken)
    {
        context.Response.ContentType = "text/event-stream; charset=utf-8";
        context.Response.Headers.CacheControl = "no-cache";
        var end = await stream.WriteAsync(script, attempt, cancellationToken);
        if (end == AnswerStream.End.Cut) throw new BrokenOffException();
    }

    private async Task WholeAsync(
        HttpContext context, ModelDialect dialect, AnswerWriter answer, Answer script, int attempt, CancellationToken cancellationToken)
    {
        foreach (var beat in script.Beats)
        {
            if (beat is SilenceBeat silence) await pace.WaitAsync(silence.Duration, gate: null, cancellationToken);
            if (beat is not BreakBeat broken || attempt >= broken.Times) continue;
            if (broken.ErrorType is { } type)
                throw new ApiException(type == ApiException.TypeOf(529) ? 529 : 500, type, "Scripted failure");
            context.Abort();
            return;
        }

        context.Response.ContentType = "application/json";
        dialect.WriteWhole(context.Response.BodyWriter, answer, script);
        await context.Response.BodyWriter.FlushAsync(cancellationToken);
    }

    private static async Task CountTokensAsync(HttpContext context, JournalEntry entry, CancellationToken cancellationToken)
    {
        var request = MessagesRequest.Parse(await ReadBodyAsync(context, cancellationToken), needsMaxTokens: false);
        entry.ReadSession(request);
        await JsonAsync(context, json => json.WriteNumber("input_tokens", Usage.TokensOf(request.Length)), cancellationToken);
    }

    private static Task ModelsAsync(HttpContext context, CancellationToken cancellationToken) => JsonAsync(context, json =>
    {
        json.WriteStartArray("data");
        foreach (var model in Models)
        {
            json.WriteStartObject();
            json.WriteString("type", "model");
            json.WriteString("id", model);
            json.WriteString("display_name", $"{model} (scripted)");
            json.WriteString("created_at", "2026-01-01T00:00:00Z");
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteBoolean("has_more", false);
        json.WriteString("first_id", Models[0]);
        json.WriteString("last_id", Models[^1]);
    }, cancellationToken);

    private static async Task<ReadOnlyMemory<byte>> ReadBodyAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var promised = Math.Clamp(context.Request.ContentLength ?? 0, 0, ScriptedModelServer.MaxBodyBytes);
        using var body = new MemoryStream((int)promised);
        await context.Request.Body.CopyToAsync(body, cancellationToken);
        return body.GetBuffer().AsMemory(0, (int)body.Length);
    }

    private static Task ErrorAsync(
        HttpContext context, ApiException error, string requestId, CancellationToken cancellationToken)
    {
        context.Response.StatusCode = error.Status;
        if (error.RetryAfterSeconds is { } seconds) context.Response.Headers.RetryAfter = $"{seconds}";
        if (error.ResetsAt is { } resetsAt && context.Request.Path.Value == "/v1/messages")
            WriteQuota(context.Response.Headers, resetsAt);
        return JsonAsync(context, json =>
        {
            if (context.Request.Path.Value is "/v1/responses" or "/v1/chat/completions")
            {
                AnswerWriter.WriteOpenAiError(json, error.Type, error.Message, error.ResetsAt);
                return;
            }

            json.WriteString("type", "error");
            json.WriteStartObject("error");
            json.WriteString("type", error.Type);
            json.WriteString("message", error.Message);
            json.WriteEndObject();
            json.WriteString("request_id", requestId);
        }, cancellationToken);
    }

    /// <summary>What the API says when the quota of an account is used up, beside the 429.</summary>
    private static void WriteQuota(IHeaderDictionary headers, long resetsAt)
    {
        headers["anthropic-ratelimit-unified-status"] = "rejected";
        headers["anthropic-ratelimit-unified-reset"] = resetsAt.ToString(CultureInfo.InvariantCulture);
        headers["anthropic-ratelimit-unified-representative-claim"] = "five_hour";
        headers["anthropic-ratelimit-unified-5h-status"] = "rejected";
        headers["anthropic-ratelimit-unified-5h-reset"] = resetsAt.ToString(CultureInfo.InvariantCulture);
        headers["anthropic-ratelimit-unified-5h-utilization"] = "1";
    }

    private static async Task JsonAsync(
        HttpContext context, Action<Utf8JsonWriter> members, CancellationToken cancellationToken)
    {
        context.Response.ContentType = "application/json";
        using (var json = AnswerWriter.Open(context.Response.BodyWriter))
        {
            json.WriteStartObject();
            members(json);
            json.WriteEndObject();
        }

        await context.Response.BodyWriter.FlushAsync(cancellationToken);
    }
}

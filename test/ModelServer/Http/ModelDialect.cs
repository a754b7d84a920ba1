using System.Buffers;
using System.IO.Pipelines;
using Marionette.ModelServer.Scenarios;
using Marionette.ModelServer.Wire;

namespace Marionette.ModelServer.Http;

/// <summary>One of the APIs that answers can be asked for with: how a request is read and how an answer is written.</summary>
internal sealed record ModelDialect
{
    public static readonly ModelDialect Messages = new()
    {
        Parse = body => MessagesRequest.Parse(body, needsMaxTokens: true),
        Stream = (output, answer, time) => new MessagesStream(output, answer, time),
        WriteWhole = MessagesBody.Write,
        ErrorType = ApiException.TypeOf,
    };

    public static readonly ModelDialect Responses = new()
    {
        Parse = OpenAiRequest.Responses,
        Stream = (output, answer, time) => new ResponsesStream(output, answer, time),
        WriteWhole = ResponsesBody.Write,
        ErrorType = OpenAiType,
    };

    public static readonly ModelDialect Chat = new()
    {
        Parse = OpenAiRequest.Chat,
        Stream = (output, answer, time) => new ChatStream(output, answer, time),
        WriteWhole = ChatBody.Write,
        ErrorType = OpenAiType,
    };

    /// <exception cref="ApiException">400, with what is wrong.</exception>
    public required Func<ReadOnlyMemory<byte>, ModelRequest> Parse { get; init; }

    public required Func<PipeWriter, AnswerWriter, Pace, AnswerStream> Stream { get; init; }

    public required Action<IBufferWriter<byte>, AnswerWriter, Answer> WriteWhole { get; init; }

    /// <summary>The error type that this API pairs with a scripted HTTP status.</summary>
    public required Func<int, string> ErrorType { get; init; }

    private static string OpenAiType(int status) => status switch
    {
        400 => "context_length_exceeded",
        401 => "invalid_api_key",
        403 => "permission_denied",
        404 => "model_not_found",
        429 => "rate_limit_exceeded",
        503 or 529 => "server_is_overloaded",
        _ => "server_error",
    };
}

using System.Text.Json.Nodes;

namespace Marionette.ModelServer.Scenarios;

/// <summary>One thing the model does while it answers.</summary>
internal abstract record Beat;

/// <summary>A text block, sent piece by piece.</summary>
/// <param name="Pieces">The deltas; joined they are the text. May be lazy, is read at most once.</param>
/// <param name="Delay">Wait before each piece.</param>
internal sealed record TextBeat(IEnumerable<string> Pieces, TimeSpan Delay) : Beat
{
    /// <summary>The gate that ends the waiting once it is open; null for none.</summary>
    public string? Gate { get; init; }

    /// <summary>Text in pieces of about <paramref name="pieceLength"/> characters; no character is ever torn apart.</summary>
    public static TextBeat Of(string text, int pieceLength = 32) => new(Samples.Split(text, pieceLength), TimeSpan.Zero);
}

/// <summary>A thinking block with its signature.</summary>
internal sealed record ThinkingBeat(string Text) : Beat;

/// <summary>A tool call. Its id is given when the answer is written.</summary>
internal sealed record ToolBeat(string Tool, JsonObject Input) : Beat;

/// <summary>Nothing is sent for a while, not even a ping.</summary>
internal sealed record SilenceBeat(TimeSpan Duration) : Beat;

/// <summary>The whole request is refused, on the first <paramref name="Times"/> attempts.</summary>
internal sealed record RefusalBeat(int Status, string Message, int? RetryAfterSeconds, int Times) : Beat
{
    /// <summary>The API's error type; null for the one that goes with the status.</summary>
    public string? Type { get; init; }

    /// <summary>Seconds until a used-up quota is there again.</summary>
    public int? ResetsInSeconds { get; init; }
}

/// <summary>
/// The first <paramref name="Times"/> attempts end here, after <paramref name="Prefix"/> went out as text: by an error event
/// of type <paramref name="ErrorType"/>, or, without one, by a cut connection. Later attempts pass over it.
/// </summary>
internal sealed record BreakBeat(string Prefix, string? ErrorType, int Times) : Beat;

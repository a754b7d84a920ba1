namespace Marionette.ModelServer.Wire;

/// <summary>What one entry of an OpenAI conversation is to a scenario.</summary>
internal enum ItemKind
{
    /// <summary>Instructions and notes of the agent.</summary>
    Note,

    /// <summary>Text under the person's name; the agent may have written it.</summary>
    User,

    /// <summary>Something the model said: text, reasoning, or a tool call.</summary>
    Answer,

    /// <summary>Result of a tool call.</summary>
    Outcome,
}

/// <summary>One entry of a conversation, from either OpenAI API.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">Its text.</param>
/// <param name="CallId">Id of the tool call that it is or answers; empty for the rest.</param>
internal sealed record OpenAiItem(ItemKind Kind, string Text, string CallId = "");

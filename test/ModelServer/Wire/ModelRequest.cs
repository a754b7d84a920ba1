namespace Marionette.ModelServer.Wire;

/// <summary>A checked request for one answer, whichever API it came by.</summary>
/// <param name="Model">The model asked for; echoed in the answer.</param>
/// <param name="Stream">Whether server-sent events are wanted.</param>
/// <param name="Length">Length of the body in bytes.</param>
/// <param name="Fingerprint">Hex digits that name this body; ids in the answer derive from them.</param>
/// <param name="BodySession">Session id inside the body, or null.</param>
/// <param name="Conversation">What the scenarios look at.</param>
internal sealed record ModelRequest(
    string Model,
    bool Stream,
    int Length,
    string Fingerprint,
    string? BodySession,
    Conversation Conversation);

namespace Marionette.ModelServer;

/// <summary>What the server keeps of one request: never its text and never its key.</summary>
/// <param name="Time">When the answer began.</param>
/// <param name="Method">HTTP method.</param>
/// <param name="Path">Path without the query.</param>
/// <param name="Status">HTTP status sent; 0 when the connection ended before one was sent.</param>
/// <param name="Scenario">Name of the scenario that answered, <c>none</c> for a prompt without one; null elsewhere.</param>
/// <param name="Step">Model answers since the prompt, from 0; null where nothing is answered.</param>
/// <param name="Attempt">Earlier tries of the same step that the scenario made fail, from 0.</param>
/// <param name="Stream">Whether the caller asked for server-sent events.</param>
/// <param name="Session">The agent's session id, or null.</param>
/// <param name="KeySha256">Lower-case hex SHA-256 of the key that came, or null when none did.</param>
/// <param name="Images">Pictures in the conversation; null where nothing is answered.</param>
/// <param name="History">Whether a model answer stood in the conversation already; null where there is none.</param>
public sealed record RecordedRequest(
    DateTimeOffset Time,
    string Method,
    string Path,
    int Status,
    string? Scenario,
    int? Step,
    int? Attempt,
    bool Stream,
    string? Session,
    string? KeySha256,
    bool? History = null,
    int? Images = null);

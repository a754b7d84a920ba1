using System.Collections.Frozen;

namespace Marionette.Gateway.Problems;

/// <summary>How a fault looks over HTTP.</summary>
/// <param name="Code">The fault.</param>
/// <param name="Slug">Last part of the problem's <c>type</c>, <c>/problems/{slug}</c>.</param>
/// <param name="Status">HTTP status.</param>
/// <param name="Title">The same words for every occurrence.</param>
/// <param name="Retryable">The same request can succeed later without a change.</param>
/// <param name="Meaning">What happened and what to do, for the page.</param>
public sealed record Problem(FaultCode Code, string Slug, int Status, string Title, bool Retryable, string Meaning)
{
    /// <summary>The code as it stands in JSON: the slug with underscores.</summary>
    public string Name => Slug.Replace('-', '_');
}

/// <summary>One row for every <see cref="FaultCode"/>; <c>docs/reference/errors.md</c> is held against it by a test.</summary>
public static class ProblemCatalog
{
    private static readonly FrozenDictionary<FaultCode, Problem> ByCode = new Problem[]
    {
        new(FaultCode.Unknown, "unknown", 500, "Unknown fault", false,
            "A part of a newer version reported a fault that this one does not know. Treat it as internal."),
        new(FaultCode.Invalid, "invalid", 400, "The request is not valid", false,
            "A field is missing, misspelt, of the wrong type or out of range. `errors` names each field and what it takes. Nothing was changed."),
        new(FaultCode.NotFound, "not-found", 404, "There is no such object", false,
            "No object of this kind has this id for the tenant of the key. An id of another tenant looks the same."),
        new(FaultCode.Conflict, "conflict", 409, "The state does not allow it", false,
            "The object is in a state in which this is not possible: read it, then decide."),
        new(FaultCode.IdempotencyMismatch, "idempotency-mismatch", 409, "The idempotency key was used for another request", false,
            "The key came before with another method, path or body. Use a new key for a new request."),
        new(FaultCode.AlreadyDecided, "already-decided", 409, "The permission request has its answer", false,
            "The first answer stands; `detail` names who gave it."),
        new(FaultCode.SessionClosed, "session-closed", 409, "The session has ended", false,
            "A terminated or failed session takes no commands. Its events stay readable."),
        new(FaultCode.QueueFull, "queue-full", 429, "Too many tasks wait in the session", true,
            "Wait until some of its tasks have ended, or use another session."),
        new(FaultCode.Fenced, "fenced", 409, "A newer runner has taken over", false,
            "The caller acts for a runner that was replaced. It should stop."),
        new(FaultCode.TokenRefused, "token-refused", 401, "The token of a runner or a host is refused", false,
            "A runner's token is unknown, revoked, or was used by another agent. A host's join token is unknown, revoked, expired or used up, its secret is "
            + "another one, or it was removed from its pool. `detail` says which. A new token is needed."),
        new(FaultCode.Unavailable, "unavailable", 503, "A part cannot be reached now", true,
            "The database or the cluster is away. Nothing was done. Repeat after `retry_after` seconds."),
        new(FaultCode.OutcomeUnknown, "outcome-unknown", 504, "It is not known whether it was done", true,
            "No answer came in time. Repeat it with the same idempotency key, or read the object before a repeat without one."),
        new(FaultCode.Unauthenticated, "unauthenticated", 401, "There is no valid credential", false,
            "Send `Authorization: Bearer mk_…` with a key that is neither revoked nor expired."),
        new(FaultCode.Forbidden, "forbidden", 403, "The key lacks the scope", false,
            "`detail` names the scope that this route needs, or who may answer the permission request."),
        new(FaultCode.ProviderFailed, "provider-failed", 502, "The backend that makes runners failed", true,
            "The backend refused or failed; `detail` has its words."),
        new(FaultCode.TooLarge, "too-large", 413, "The body is too large", false,
            "Bodies have a limit of 2 MiB, prompts one of 1 MiB."),
        new(FaultCode.Internal, "internal", 500, "A defect of ours", false,
            "Nothing about it is shown here. The log has it under `trace_id`."),
        new(FaultCode.Throttled, "throttled", 429, "Too many requests of this kind at once", true,
            "Repeat after `retry_after` seconds."),
    }.ToFrozenDictionary(problem => problem.Code);

    private static readonly FrozenDictionary<string, Problem> BySlug = ByCode.Values.ToFrozenDictionary(problem => problem.Slug, StringComparer.Ordinal);

    /// <summary>All of them, in the order of their codes.</summary>
    public static IEnumerable<Problem> All => ByCode.Values.OrderBy(problem => problem.Code);

    /// <summary>The row of a code; a code of a newer version is <see cref="FaultCode.Unknown"/>.</summary>
    public static Problem Of(FaultCode code) => ByCode.TryGetValue(code, out var problem) ? problem : ByCode[FaultCode.Unknown];

    /// <summary>The row that a problem's <c>type</c> names, or null.</summary>
    public static Problem? Find(string slug) => BySlug.GetValueOrDefault(slug);
}

namespace Marionette.Providers.Docker;

/// <summary>A line to the helper (docs/reference/formats/netd-protocol.md).</summary>
internal sealed record NetdRequest(
    long Id, string Op, string? Key = null, int? Pid = null, string? Mode = null, IReadOnlyList<string>? Allowed = null,
    IReadOnlyDictionary<string, string>? Aliases = null);

/// <summary>A line of the helper: an answer (<paramref name="Id"/>) or a notice.</summary>
internal sealed record NetdLine(
    long? Id, bool Ok, string? Error, IReadOnlyList<string>? Keys, string? Notice, string? Key, string? Target, int? Port, string? Protocol,
    string? Reason, int? Count);

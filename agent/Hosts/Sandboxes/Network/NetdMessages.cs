namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>A line to netd (docs/reference/formats/netd-protocol.md).</summary>
internal sealed record NetdAsk(
    long Id, string Op, string? Key = null, int? Pid = null, string? Mode = null, IReadOnlyList<string>? Allowed = null,
    IReadOnlyDictionary<string, string>? Aliases = null);

/// <summary>A line of netd: an answer (<see cref="Id"/>) or a notice.</summary>
internal sealed record NetdSays
{
    public long? Id { get; set; }

    public bool Ok { get; set; }

    public string? Error { get; set; }

    public IReadOnlyList<string>? Keys { get; set; }

    public string? Notice { get; set; }

    public string? Key { get; set; }

    public string? Target { get; set; }

    public int Port { get; set; }

    public string? Protocol { get; set; }

    public string? Reason { get; set; }

    public int Count { get; set; }
}

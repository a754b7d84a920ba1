using System.Text.Json;
using System.Text.Json.Serialization;

namespace Marionette.Agent.Egress;

/// <summary>A line of standard input. The format: docs/reference/formats/netd-protocol.md.</summary>
internal sealed record NetdRequest
{
    /// <summary>Whatever the asker likes; the answer carries it.</summary>
    public JsonElement? Id { get; set; }

    /// <summary>"attach", "policy", "detach" or "list".</summary>
    public string? Op { get; set; }

    /// <summary>The runner's key, <c>tenant/run_…</c>.</summary>
    public string? Key { get; set; }

    /// <summary>A process in the runner's network namespace, as this process sees it.</summary>
    public int? Pid { get; set; }

    public string? Mode { get; set; }

    public IReadOnlyList<string?>? Allowed { get; set; }

    public IReadOnlyDictionary<string, string?>? Aliases { get; set; }
}

/// <summary>The answer to one.</summary>
internal sealed record NetdAnswer(JsonElement? Id, bool Ok, string? Error = null, IReadOnlyList<string>? Keys = null);

/// <summary>Something held back.</summary>
internal sealed record BlockedNotice(string Key, string Target, int Port, string Protocol, string Reason, int Count)
{
    public string Notice { get; } = "blocked";
}

/// <summary>A runner's namespace is no more.</summary>
internal sealed record GoneNotice(string Key)
{
    public string Notice { get; } = "gone";
}

/// <summary>What <c>--check</c> found.</summary>
/// <param name="Missing">Programs that have to be installed.</param>
internal sealed record NetdReport(bool Ok, bool Ipv6, long? AttachMs, IReadOnlyList<string>? Missing, string? Error);

/// <summary>netd's JSON: compiled, no reflection.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(NetdRequest))]
[JsonSerializable(typeof(NetdAnswer))]
[JsonSerializable(typeof(BlockedNotice))]
[JsonSerializable(typeof(GoneNotice))]
[JsonSerializable(typeof(NetdReport))]
internal sealed partial class NetdJsonContext : JsonSerializerContext;

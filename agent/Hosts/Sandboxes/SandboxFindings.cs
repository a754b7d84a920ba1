using System.Text.Json.Serialization;
using Marionette.Protocol.Hosts.V1;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>What a kind of sandbox gave here.</summary>
internal sealed record SandboxFinding
{
    // Processors, memory, disk, processes.
    private const int AllLimits = 4;

    public string Kind { get; set; } = "";

    public bool Works { get; set; }

    public string Detail { get; set; } = "";

    public IReadOnlyList<string> Limits { get; set; } = [];

    public bool Egress { get; set; }

    public bool Pause { get; set; }

    /// <summary>It gives all that a sandbox can give.</summary>
    [JsonIgnore]
    public bool IsWhole => Works && Egress && Pause && Limits.Count == AllLimits;

    public SandboxFacts ToFacts()
    {
        var facts = new SandboxFacts { Kind = Kind, Works = Works, Detail = Detail, Egress = Egress, Pause = Pause };
        facts.Limits.AddRange(Limits);
        return facts;
    }
}

/// <summary>Those that give all they can, as they are remembered.</summary>
internal sealed record SandboxFindings
{
    public const string FileName = "sandboxes.json";

    /// <summary>The machine and the programs that were tested: with others it is tested again.</summary>
    public string Of { get; set; } = "";

    public IReadOnlyList<SandboxFinding> Kinds { get; set; } = [];
}

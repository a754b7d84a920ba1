using Marionette.Protocol.Hosts.V1;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>What a kind of sandbox gave here.</summary>
internal sealed record SandboxFinding
{
    public string Kind { get; set; } = "";

    public bool Works { get; set; }

    public string Detail { get; set; } = "";

    public IReadOnlyList<string> Limits { get; set; } = [];

    public bool Egress { get; set; }

    public bool Pause { get; set; }

    public SandboxFacts ToFacts()
    {
        var facts = new SandboxFacts { Kind = Kind, Works = Works, Detail = Detail, Egress = Egress, Pause = Pause };
        facts.Limits.AddRange(Limits);
        return facts;
    }
}

/// <summary>All of it, as it is remembered.</summary>
internal sealed record SandboxFindings
{
    public const string FileName = "sandboxes.json";

    /// <summary>The machine and the programs that were tested: with others it is tested again.</summary>
    public string Of { get; set; } = "";

    public IReadOnlyList<SandboxFinding> Kinds { get; set; } = [];
}

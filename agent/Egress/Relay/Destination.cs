using System.Net;
using Marionette.Agent.Egress.Names;
using Marionette.Agent.Egress.Policy;

namespace Marionette.Agent.Egress.Relay;

/// <summary>Where a connection is to go: an address that the runner named, or a name that stands behind one of ours.</summary>
/// <param name="Address">Canonical; what the runner's packets say.</param>
/// <param name="Name">Null when it named an address, or one of ours that stands for nothing any more.</param>
/// <param name="IsUdp">By UDP; else by TCP.</param>
internal sealed record Destination(IPAddress Address, int Port, KnownName? Name, bool IsUdp = false)
{
    /// <summary>What people are told.</summary>
    public string Shown => Name?.Name ?? Address.ToString();

    /// <summary>Whether the policy lets it be tried, before anything is asked or connected.</summary>
    public Verdict Judge(EgressPolicy policy)
    {
        if (Name is { } known)
            return JudgeName(policy, known.Name);
        return NameTable.IsOurs(Address) ? Verdict.NotListed : policy.Judge(Address, Port, OwnAddresses.Contains(Address));
    }

    private Verdict JudgeName(EgressPolicy policy, string name)
    {
        // The operator's ways are for TCP.
        var isAlias = policy.Alias(name) is not null;
        if (!isAlias && !policy.AllowsName(name, Port))
            return Verdict.NotListed;
        return !IsUdp || (!isAlias && policy.AllowsDatagrams(name, Port)) ? Verdict.Allowed : Verdict.Protocol;
    }
}

/// <summary>A connection that stands, as far as the policy has a say in it: looked at again when that changes.</summary>
/// <param name="Alias">The operator's way that was taken.</param>
/// <param name="Connected">The address of an allowed name that was taken; null for an alias.</param>
internal sealed record Grant(Destination Destination, AliasTarget? Alias, IPAddress? Connected)
{
    public bool Holds(EgressPolicy policy)
    {
        if (Alias is not null)
            return policy.Alias(Destination.Name!.Name) == Alias;
        if (Destination.Judge(policy) != Verdict.Allowed)
            return false;
        return Destination.Name is null || Connected is null
            || policy.JudgeResolved(Connected, Destination.Port, OwnAddresses.Contains(Connected)) == Verdict.Allowed;
    }
}

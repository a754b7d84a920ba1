using System.Net;
using Marionette.Agent.Egress.Names;
using Marionette.Agent.Egress.Policy;

namespace Marionette.Agent.Egress.Relay;

/// <summary>Where a connection is to go: an address that the runner named, or a name that stands behind one of ours.</summary>
/// <param name="Address">Canonical; what the runner's packets say.</param>
/// <param name="Name">Null when it named an address, or one of ours that stands for nothing any more.</param>
internal sealed record Destination(IPAddress Address, int Port, KnownName? Name)
{
    /// <summary>What people are told.</summary>
    public string Shown => Name?.Name ?? Address.ToString();

    /// <summary>Whether the policy lets it be tried, before anything is asked or connected.</summary>
    public Verdict Judge(EgressPolicy policy)
    {
        if (Name is { } known)
            return policy.Alias(known.Name) is not null || policy.AllowsName(known.Name, Port) ? Verdict.Allowed : Verdict.NotListed;
        return NameTable.IsOurs(Address) ? Verdict.NotListed : policy.Judge(Address, Port, OwnAddresses.Contains(Address));
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

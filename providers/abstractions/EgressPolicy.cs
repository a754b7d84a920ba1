using System.Collections.Immutable;

namespace Marionette.Providers;

/// <summary>What a runner may reach unasked.</summary>
public enum EgressMode
{
    /// <summary>Every public address. Addresses of private networks, of the host and of cloud metadata only when listed.</summary>
    Open = 1,
    /// <summary>What is listed.</summary>
    AllowList = 2,
    /// <summary>Nothing but Marionette itself and what it lists for itself.</summary>
    Deny = 3,
}

/// <summary>
/// What a runner may reach. The way to Marionette's own gateway is always open and never listed; how rules are matched:
/// docs/guides/network-policy.md.
/// </summary>
/// <param name="Mode">What holds for a target that no rule names.</param>
/// <param name="Allowed">
/// "name", "*.name" (every name below it), an address, a network ("10.1.0.0/16"), each with ":port" or without ("[::1]:443" for IPv6). With
/// <see cref="EgressMode.Deny"/> only the caller's own additions (the model's API) are in it.
/// </param>
public sealed record EgressPolicy(EgressMode Mode, ImmutableArray<string> Allowed)
{
    /// <summary>Every public address.</summary>
    public static EgressPolicy Open { get; } = new(EgressMode.Open, []);

    /// <inheritdoc/>
    public bool Equals(EgressPolicy? other) => other is not null && Mode == other.Mode && Allowed.SequenceEqual(other.Allowed);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Mode, Allowed.Length);
}

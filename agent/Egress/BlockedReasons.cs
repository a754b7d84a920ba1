using Marionette.Agent.Egress.Policy;

namespace Marionette.Agent.Egress;

/// <summary>What is told of a verdict.</summary>
internal static class BlockedReasons
{
    /// <param name="verdict">Where it is to allow, the protocol is what did not fit.</param>
    public static BlockedReason Of(Verdict verdict) => verdict switch
    {
        Verdict.NotListed => BlockedReason.NotListed,
        Verdict.Private => BlockedReason.Private,
        Verdict.Metadata => BlockedReason.Metadata,
        _ => BlockedReason.Protocol,
    };
}

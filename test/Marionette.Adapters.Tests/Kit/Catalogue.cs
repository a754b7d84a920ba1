using Marionette.Gateway.Rest;

namespace Marionette.Adapters.Tests.Kit;

/// <summary>The features of GET /api/v1/agents as promises. Those that have none here hold for every adapter, or have tests of their own.</summary>
internal static class Catalogue
{
    public static readonly IReadOnlyDictionary<string, Promises> Features = new Dictionary<string, Promises>
    {
        ["permissions"] = Promises.Permissions, ["denial_reason"] = Promises.DenialReason, ["updated_input"] = Promises.ChangedInput,
        ["messages"] = Promises.Messages, ["resume"] = Promises.Resume, ["usage"] = Promises.Usage, ["model"] = Promises.Model,
        ["retries"] = Promises.Retries, ["deny_interrupts"] = Promises.DenyInterrupts, ["modes"] = Promises.Modes,
    };

    public static Promises PromisesOf(string kind) => AgentCatalog.All.Single(agent => agent.Name == kind).Features
        .Aggregate(Promises.None, (sum, feature) => sum | Features.GetValueOrDefault(feature));
}

using Marionette.Agent.Events;
using Marionette.Agent.Hosting;
using Marionette.Agent.Runs;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Agents;

/// <summary>What every driver works with.</summary>
internal sealed record AgentServices
{
    public required AgentConfig Config { get; init; }

    public required SetupHolder Setup { get; init; }

    public required RunJournal Journal { get; init; }

    public required EventSink Sink { get; init; }

    /// <summary>The agent's own environment, read once at its start.</summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    public required TimeProvider Clock { get; init; }

    public required ILogger Log { get; init; }
}

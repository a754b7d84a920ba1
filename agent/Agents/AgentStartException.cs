namespace Marionette.Agent.Agents;

/// <summary>The driven agent could not be started; the run fails with this code and message.</summary>
internal sealed class AgentStartException(string code, string message) : Exception(message)
{
    /// <summary>A code of events.md.</summary>
    public string Code { get; } = code;
}

namespace Marionette.Agent.Agents;

/// <summary>What an agent is told when a task begins again in a conversation that holds part of it.</summary>
internal static class Continuation
{
    public const string Note =
        "(Work on this task was cut off before it was finished, so part of it may be done. Look at what is there and carry on.)";
}

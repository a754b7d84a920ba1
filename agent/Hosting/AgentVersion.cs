namespace Marionette.Agent.Hosting;

internal static class AgentVersion
{
    /// <summary>Version of this agent, as <c>--version</c> prints it and Hello carries it.</summary>
    public static string Text { get; } =
        typeof(AgentVersion).Assembly.GetName().Version?.ToString(3) ?? "0.0.0";
}

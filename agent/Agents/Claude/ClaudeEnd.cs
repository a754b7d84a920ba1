using Marionette.Agent.Processes;

namespace Marionette.Agent.Agents.Claude;

/// <summary>What it means that Claude Code ended before it gave a result.</summary>
internal static class ClaudeEnd
{
    public static RunResult Explain(ExitStatus status, string errorTail)
    {
        var (code, message) = (status.Code, status.Signal) switch
        {
            (ChildLauncher.CannotStart, _) when errorTail.Contains("cannot enter", StringComparison.Ordinal) =>
                (ErrorCodes.WorkspaceUnavailable, "The workspace folder cannot be entered."),
            (ChildLauncher.CannotStart, _) when errorTail.Contains("cannot start", StringComparison.Ordinal) =>
                (ErrorCodes.AgentNotFound, "Claude Code could not be started."),
            (_, not null) => (ErrorCodes.AgentKilled, $"Claude Code was killed by {status.SignalName}."),
            _ => (ErrorCodes.AgentExited, $"Claude Code ended with {status} before it gave a result."),
        };
        return RunResult.Failed(code, errorTail.Length > 0 ? $"{message} It said: {errorTail}" : message, status);
    }
}

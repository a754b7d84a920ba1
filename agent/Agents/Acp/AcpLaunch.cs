using Marionette.Agent.Agents.Rpc;
using Marionette.Agent.Broker;
using Marionette.Agent.Processes;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents.Acp;

/// <summary>How an ACP agent is started.</summary>
internal static class AcpLaunch
{
    /// <exception cref="AgentStartException">It is not there.</exception>
    public static RpcLaunch Create(AgentServices services, Setup setup, AcpOptions options, CredentialBroker? broker)
    {
        var config = services.Config;
        var environment = ChildEnvironment.Create(config, services.Environment, setup.Env);
        AcpAgents.AddModel(environment, options.Agent, options.Api, setup, broker);
        if (options.Agent?.Name == "claude-agent-acp" && FindClaude(services, environment["PATH"]) is { } claude)
            environment["CLAUDE_CODE_EXECUTABLE"] = claude;
        if (options.Agent?.Name == "claude-agent-acp" && Environment.UserName == "root")
            environment["IS_SANDBOX"] = "1"; // else it does not offer to go without questions
        var spec = new ChildSpec
        {
            File = Find(services, options, environment["PATH"]),
            Arguments = [.. options.Command.Skip(1)],
            Environment = environment,
            WorkingDirectory = config.WorkspaceDir,
        };
        return new RpcLaunch(spec, string.Join(
            '\u001f', [spec.File, .. spec.Arguments, .. environment.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}={pair.Value}")]));
    }

    private static string Find(AgentServices services, AcpOptions options, string path)
    {
        var program = options.Command[0];
        var wanted = options.Agent is { } known && known.Command[0] == program
            ? services.Config.AgentPaths.GetValueOrDefault(known.Name, program)
            : program;
        if (ChildEnvironment.Find(wanted, path) is { } found)
            return found;
        var hint = options.Agent is { } agent ? $" Install it with: {agent.Install}" : "";
        throw new AgentStartException(
            ErrorCodes.AgentNotFound, $"The ACP agent \"{wanted}\" is not there or not executable (PATH {path}).{hint}");
    }

    // The adapter brings a Claude Code of its own unless it is told of one.
    private static string? FindClaude(AgentServices services, string path) =>
        ChildEnvironment.Find(services.Config.ClaudePath is { Length: > 0 } named ? named : "claude", path);
}

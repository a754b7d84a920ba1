using System.Collections;
using Marionette.Agent.Agents;
using Marionette.Agent.Egress;
using Marionette.Agent.Hosting;
using Marionette.Agent.Hosts;
using Marionette.Agent.Hosts.Sandboxes;
using Marionette.Agent.Processes;
using Marionette.Agent.Workspaces;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent;

internal static class Program
{
    private const string StandardInput = "-";

    private const string Usage = """
        marionette-agent: drives a coding agent inside a runner and reports to a Marionette gateway.

        usage: marionette-agent run --config FILE | run --config -
               marionette-agent agents
               marionette-agent host --server URL --pool NAME | host --help
               marionette-agent netd [--stay | --socket PATH] [--resolv-conf FILE] | netd --check
               marionette-agent workspace VERB … | workspace --help
               marionette-agent --version | --help

        agents prints as JSON which agent programs are in PATH, and their versions.
        With - the configuration is one line of standard input, of at most 1 MiB, and the agent waits for it.
        host makes this machine a host of a pool. workspace works on a store of snapshots when no server runs.

        netd holds the network policy of the runners on this machine, told by JSON lines on standard input; --stay goes on after their
        end, --socket listens on a Unix socket instead and serves the newest client. --check tells as JSON whether this machine can do it, by
        doing it. It needs root and nft.

        FILE is JSON, readable by its owner alone (it holds the runner's token): server_url, runner, epoch, token, state_dir,
        workspace_dir, home_dir; optional endpoints_file, tools_path, claude_path, agent_paths, env, stall_seconds, spool_mib.

        exit codes: 0 stopped, 1 bad configuration, 75 fenced by a newer epoch, 76 token refused
        """;

    public static async Task<int> Main(string[] args)
    {
        switch (args)
        {
            case [ChildLauncher.Verb, ..]:
                return ChildLauncher.Run(args);
            case [SandboxInit.Verb]:
                return SandboxInit.Run();
            case [SandboxChild.Verb, ..]:
                return SandboxChild.Run(args);
            case [SandboxProbe.Verb, .. var what]:
                return SandboxProbe.Run(what);
            case ["--version"]:
                Console.Out.WriteLine(AgentVersion.Text);
                return 0;
            case ["--help" or "-h"]:
                Console.Out.WriteLine(Usage);
                return 0;
            case ["agents"]:
                var found = await AgentInventory.LookAsync(OwnEnvironment(), TimeSpan.FromSeconds(5), TimeProvider.System).ConfigureAwait(false);
                Console.Out.WriteLine(AgentInventory.ToJson(found));
                return 0;
            case [NetdCommand.Verb, .. var options]:
                return await NetdCommand.RunAsync(options).ConfigureAwait(false);
            case [HostCommand.Verb, .. var options]:
                return await HostCommand.RunAsync(options, OwnEnvironment()).ConfigureAwait(false);
            case [WorkspaceCommand.Verb, .. var options]:
                return await WorkspaceCommand.RunAsync(options).ConfigureAwait(false);
            case ["run", "--config", var path]:
                return await RunAsync(path).ConfigureAwait(false);
            default:
                Console.Error.WriteLine(Usage);
                return ExitCodes.BadConfiguration;
        }
    }

    private static Dictionary<string, string> OwnEnvironment() => Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
        .ToDictionary(entry => (string)entry.Key, entry => (string?)entry.Value ?? "", StringComparer.Ordinal);

    private static async Task<int> RunAsync(string path)
    {
        using var reaper = OrphanReaper.StartWhenFirst();
        AgentConfig? config;
        string problem;
        if (path == StandardInput)
        {
            try
            {
                var input = Console.OpenStandardInput(); // not disposed: a thread may still wait on it
                if (await HandedConfig.WaitForAsync(input).ConfigureAwait(false) is not { } line)
                    return ExitCodes.Stopped;
                config = AgentConfig.Parse(line, out problem);
            }
            catch (IOException exception)
            {
                (config, problem) = (null, exception.Message);
            }
        }
        else
        {
            config = AgentConfig.Load(path, out problem);
        }

        if (config is null)
        {
            Console.Error.WriteLine($"marionette-agent: {(path == StandardInput ? "standard input" : path)}: {problem}");
            return ExitCodes.BadConfiguration;
        }

        var own = OwnEnvironment();
        var log = new StderrLogger(TimeProvider.System, own.ContainsKey("MARIONETTE_AGENT_DEBUG") ? LogLevel.Debug : LogLevel.Information);
        // The model credential will lie in this memory: no core file, and no look into it by a child of the same user.
        if (Libc.Prctl(Libc.PrSetDumpable, 0, 0, 0, 0) != 0)
            log.Dumpable(System.Runtime.InteropServices.Marshal.GetLastPInvokeErrorMessage());
        return await new AgentHost(config, own, TimeProvider.System, log).RunAsync().ConfigureAwait(false);
    }
}

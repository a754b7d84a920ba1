using System.Runtime.InteropServices;
using System.Text.Json;
using Marionette.Agent.Egress.Names;
using Marionette.Agent.Egress.Namespaces;
using Marionette.Agent.Egress.Relay;
using Marionette.Agent.Hosting;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Egress;

/// <summary><c>marionette-agent netd</c>: one process that holds the network policy of all runners of a machine.</summary>
internal static class NetdCommand
{
    public const string Verb = "netd";

    private const int MostConnections = 4096;
    private const int LeastConnections = 64;
    private const int MostFlows = 32_768;

    /// <summary>Runs it until its input ends or a signal comes.</summary>
    /// <returns>One of <see cref="ExitCodes"/>.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> options)
    {
        var stay = false;
        var check = false;
        string? socket = null;
        var resolvConf = ResolvConf.DefaultPath;
        for (var at = 0; at < options.Count; at++)
        {
            switch (options[at])
            {
                case "--stay":
                    stay = true;
                    break;
                case "--check":
                    check = true;
                    break;
                case "--socket" when at + 1 < options.Count:
                    socket = options[++at];
                    break;
                case "--resolv-conf" when at + 1 < options.Count:
                    resolvConf = options[++at];
                    break;
                default:
                    Console.Error.WriteLine($"marionette-agent netd: {options[at]} is not an option");
                    return ExitCodes.BadConfiguration;
            }
        }

        // Two for each connection, and an eighth for the greediest runner: others still find some.
        var share = NetCalls.RaiseOpenFiles() / 16;
        var limit = (int)Math.Clamp(share, LeastConnections, MostConnections);
        var flows = new FlowBudget(limit / 4, (int)Math.Clamp(share, LeastConnections, MostFlows));
        var log = new StderrLogger(TimeProvider.System, check ? LogLevel.Error : LogLevel.Information);
        var servers = new ResolvConf(resolvConf, TimeProvider.System);
        using var peers = new PeerStock();
        var services = new EgressServices(new DnsResolver(servers.Servers), peers, limit, flows, TimeProvider.System, log);
        if (check)
        {
            var report = await NetdCheck.RunAsync(services).ConfigureAwait(false);
            Console.Out.WriteLine(JsonSerializer.Serialize(report, NetdJsonContext.Default.NetdReport));
            return report.Ok ? ExitCodes.Stopped : ExitCodes.BadConfiguration;
        }

        peers.Fill();
        log.EgressStarted(AgentVersion.Text, Environment.ProcessId, limit, flows.OfOne);
        await ServeAsync(services, stay, socket).ConfigureAwait(false);
        return ExitCodes.Stopped;
    }

    private static async Task ServeAsync(EgressServices services, bool stay, string? path)
    {
        using var end = new CancellationTokenSource();
        using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var socket = path is null ? null : new NetdSocket(path);
        using var output = new NetdOutput(socket ?? Console.OpenStandardOutput());
        var runners = new RunnerDirectory(services, output);
        await using (runners.ConfigureAwait(false))
        {
            var server = new NetdServer(runners, output, services.Clock);
            var flushing = server.FlushAsync(end.Token);
            var stopped = Task.Delay(Timeout.Infinite, end.Token);
            // Reading standard input cannot be given up: at a signal it is left behind.
            var reading = Task.Run(() => socket?.ServeAsync(server, end.Token) ?? server.ServeAsync(Console.OpenStandardInput(), end.Token));
            var first = await Task.WhenAny(reading, stopped).ConfigureAwait(false);
            if (first == reading)
                await reading.ConfigureAwait(false);
            if (stay && first == reading)
                await Task.WhenAny(stopped).ConfigureAwait(false);
            await end.CancelAsync().ConfigureAwait(false);
            await flushing.ConfigureAwait(false);
        }

        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            end.Cancel();
        }
    }
}

using System.Runtime.InteropServices;
using Marionette.Agent.Hosting;
using Marionette.Agent.Processes;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Hosts;

/// <summary><c>marionette-agent host</c>: this machine runs runners for a pool.</summary>
internal static class HostCommand
{
    public const string Verb = "host";

    public const string Usage = """
        marionette-agent host: this machine runs runners for a pool of a Marionette server. It needs root.

        usage: marionette-agent host --server URL --pool NAME [--token-file FILE] [OPTION]...    joins; later starts need --state alone
               marionette-agent host --check | --doctor [--server URL] | --leave

        --token-file FILE  the join token is in the file; else MARIONETTE_JOIN_TOKEN has it; --token TOKEN shows it to every user of
                           this machine (arguments are visible). It is needed until the host has joined.
        --state DIR        the host's state and its runners' files; /var/lib/marionette-host
        --name NAME        for people; the machine's name
        --label K=V        for placement; may be given more than once
        --cpus N           cores that runners may use; all
        --memory-mib N     memory that runners may use; nine tenths of all
        --disk-mib N       disk that runners may use; nine tenths of the state folder's file system
        --tools DIR        folder with agent programs for runners; may be given more than once

        What is said is kept in the state folder and holds until it is said otherwise (the token is not kept). A signal ends the daemon,
        not its runners: the next start adopts them.
        --check tells as JSON what each kind of sandbox gives here, --doctor tells people what is missing; both by trying it.
        --leave ends this host's runners, says goodbye and forgets the join; workspaces stay.

        exit codes: 0 stopped, 1 bad configuration or no sandbox works, 75 removed from the pool, 76 token or host refused
        """;

    /// <returns>One of <see cref="ExitCodes"/>.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        if (arguments is ["--help" or "-h"])
        {
            Console.Out.WriteLine(Usage);
            return ExitCodes.Stopped;
        }

        if (HostOptions.Parse(arguments, environment, out var problem) is not { } options)
            return Complain(problem);
        // No child of ours is to find it.
        Environment.SetEnvironmentVariable(HostOptions.TokenVariable, null);
        var clock = TimeProvider.System;
        var least = options.Verb is HostVerb.Check or HostVerb.Doctor ? LogLevel.Error : LogLevel.Information;
        var log = new StderrLogger(clock, environment.ContainsKey("MARIONETTE_AGENT_DEBUG") ? LogLevel.Debug : least);
        try
        {
            return options.Verb switch
            {
                HostVerb.Check => await HostDoctor.CheckAsync(options, clock, log).ConfigureAwait(false),
                HostVerb.Doctor => await HostDoctor.TellAsync(options, clock, log).ConfigureAwait(false),
                HostVerb.Leave => await HostLeave.RunAsync(options.State, clock, log).ConfigureAwait(false),
                _ => await ServeAsync(options, clock, log).ConfigureAwait(false),
            };
        }
        catch (Exception exception) when (exception is HostSetupException or HostFault or IOException or UnauthorizedAccessException)
        {
            return Complain(exception.Message);
        }
    }

    private static int Complain(string problem)
    {
        Console.Error.WriteLine($"marionette-agent host: {problem}");
        return ExitCodes.BadConfiguration;
    }

    private static async Task<int> ServeAsync(HostOptions options, TimeProvider clock, StderrLogger log)
    {
        using var folder = HostLock.Take(options.State);
        var identity = HostIdentity.From(HostIdentity.Load(options.State), options, clock.GetUtcNow());
        identity.Save(options.State);
        if (identity.Joined && options.Token.Length > 0)
            log.TokenUnused();
        // The secret and the runners' tokens are in this memory: no core file, and no look into it.
        if (Libc.Prctl(Libc.PrSetDumpable, 0, 0, 0, 0) != 0)
            log.Dumpable(Marshal.GetLastPInvokeErrorMessage());
        using var stop = new CancellationTokenSource();
        using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        var keeper = HostKeeper.Create(options.State, identity.Tools, clock, log);
        await using (keeper.ConfigureAwait(false))
        {
            var daemon = new HostDaemon(identity, options.Token, options.State, keeper, new HostTimings(), clock, log);
            var code = await daemon.RunAsync(stop.Token).ConfigureAwait(false);
            log.HostEnded(code, code switch
            {
                ExitCodes.Dismissed => "removed from its pool",
                ExitCodes.TokenRefused => "refused",
                _ => "stopped; its runners go on",
            });
            return code;
        }

        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            log.Signalled(context.Signal.ToString());
            stop.Cancel();
        }
    }
}

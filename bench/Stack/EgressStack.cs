using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Marionette.TestEngine;

namespace Marionette.Bench.Stack;

/// <summary>
/// A machine with the shipped netd and a server on it, a runner behind netd, and a runner that is joined to the machine by a plain link: network
/// namespaces that processes of the bench hold, so nothing of the real machine's network is touched.
/// </summary>
internal sealed class EgressStack : IAsyncDisposable
{
    public const string Machine = "172.31.254.1";
    public const int Port = 7100;

    private readonly List<Process> _processes = [];
    private readonly string _program;
    private Process _netd = null!, _machine = null!, _behind = null!, _plain = null!;
    private int _requests;

    private EgressStack(string program) => _program = program;

    /// <summary>Why it cannot be had here; null when it can.</summary>
    public static string? Hindrance => MachineTrial.OfNetworks;

    public static async Task<EgressStack> StartAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        var stack = new EgressStack(Path.Combine(options.Artifacts, "agent", "marionette-agent"));
        try
        {
            stack._machine = await stack.HoldAsync(cancellationToken);
            stack._behind = await stack.HoldAsync(cancellationToken);
            stack._plain = await stack.HoldAsync(cancellationToken);
            await stack.RunAsync(stack._machine, "sh", "-ec", $"ip link set lo up; ip link add p0 type veth peer name p1 netns {stack._plain.Id}; ip addr add {Machine}/30 dev p0; ip link set p0 up");
            await stack.RunAsync(stack._plain, "sh", "-ec", "ip addr add 172.31.254.2/30 dev p1; ip link set p1 up");
            var server = stack.Start(stack._machine, Environment.ProcessPath!, Runners.NetworkPeer.Verb, "serve", $"{Port}");
            await server.StandardOutput.ReadLineAsync(cancellationToken);
            stack._netd = stack.Start(stack._machine, stack._program, "netd");
            await stack.AttachAsync("bench/runner", stack._behind, cancellationToken);
            return stack;
        }
        catch
        {
            await stack.DisposeAsync();
            throw;
        }
    }

    /// <summary>One measurement of <see cref="Runners.NetworkPeer"/>, behind netd or at the plain link.</summary>
    public async Task<double> MeasureAsync(bool behindNetd, string what, long amount)
    {
        var said = await RunAsync(behindNetd ? _behind : _plain, Environment.ProcessPath!, Runners.NetworkPeer.Verb, what, Machine, $"{Port}", $"{amount}");
        return double.Parse(said, CultureInfo.InvariantCulture);
    }

    /// <summary>Milliseconds from the request to the answer, for a namespace of its own.</summary>
    public async Task<double> MeasureAttachAsync(CancellationToken cancellationToken)
    {
        var runner = await HoldAsync(cancellationToken);
        var began = Stopwatch.GetTimestamp();
        await AttachAsync($"bench/{runner.Id}", runner, cancellationToken);
        return Stopwatch.GetElapsedTime(began).TotalMilliseconds;
    }

    /// <summary>Processor time that netd has used.</summary>
    public TimeSpan NetdCpu()
    {
        _netd.Refresh();
        return _netd.TotalProcessorTime;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var process in _processes.AsEnumerable().Reverse())
        {
            if (!process.HasExited) process.Kill();
            await process.WaitForExitAsync();
            process.Dispose();
        }
    }

    private static string? Space(int pid) => new FileInfo($"/proc/{pid}/ns/net").LinkTarget;

    private async Task<Process> HoldAsync(CancellationToken cancellationToken)
    {
        var holder = Keep(Process.Start("unshare", ["-n", "sleep", "infinity"]));
        // unshare becomes sleep once the namespace is there.
        while (Space(holder.Id) == Space(Environment.ProcessId)) await Task.Delay(1, cancellationToken);
        return holder;
    }

    private async Task AttachAsync(string key, Process runner, CancellationToken cancellationToken)
    {
        await _netd.StandardInput.WriteLineAsync($$"""{"id":{{++_requests}},"op":"attach","key":"{{key}}","pid":{{runner.Id}},"mode":"allow_list","allowed":["{{Machine}}"]}""");
        await _netd.StandardInput.FlushAsync(cancellationToken);
        var line = await _netd.StandardOutput.ReadLineAsync(cancellationToken) ?? throw new InvalidOperationException("netd has ended");
        if (!JsonDocument.Parse(line).RootElement.GetProperty("ok").GetBoolean()) throw new InvalidOperationException($"netd said: {line}");
    }

    private async Task<string> RunAsync(Process space, params string[] command)
    {
        var process = Start(space, command);
        var said = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? said.Trim() : throw new InvalidOperationException($"exit code {process.ExitCode}: {string.Join(' ', command)}");
    }

    private Process Start(Process space, params string[] command) => Keep(Process.Start(
        new ProcessStartInfo("nsenter", [$"--net=/proc/{space.Id}/ns/net", .. command]) { RedirectStandardInput = true, RedirectStandardOutput = true }));

    private Process Keep(Process? process)
    {
        _processes.Add(process!);
        return process!;
    }
}

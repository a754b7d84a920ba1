using System.Diagnostics;
using System.Net;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>
/// A network of its own for runners, joined to this host by a pair of virtual interfaces. Packets to the server can be dropped in it while
/// those to the model pass. Needs root.
/// </summary>
internal sealed class NetworkNamespace : IDisposable
{
    private readonly string _name = $"mne2e{Environment.ProcessId}";
    private readonly string _folder = Support.Stack.NewFolder();

    /// <summary>Where the server listens, seen from both sides.</summary>
    public IPAddress Server { get; } = IPAddress.Parse("10.213.77.1");

    /// <summary>Another address of this host, for the model.</summary>
    public IPAddress Model { get; } = IPAddress.Parse("10.213.77.3");

    /// <summary>Starts the agent inside.</summary>
    public string Program => Path.Combine(_folder, "agent");

    public static NetworkNamespace Create(string agent)
    {
        var net = new NetworkNamespace();
        var (outside, inside) = ($"mno{Environment.ProcessId}", $"mni{Environment.ProcessId}");
        Must("ip", "netns", "add", net._name);
        Must("ip", "link", "add", outside, "type", "veth", "peer", "name", inside);
        Must("ip", "link", "set", inside, "netns", net._name);
        Must("ip", "addr", "add", $"{net.Server}/24", "dev", outside);
        Must("ip", "addr", "add", $"{net.Model}/24", "dev", outside);
        Must("ip", "link", "set", outside, "up");
        Must("ip", "-n", net._name, "addr", "add", "10.213.77.2/24", "dev", inside);
        Must("ip", "-n", net._name, "link", "set", "lo", "up");
        Must("ip", "-n", net._name, "link", "set", inside, "up");
        File.WriteAllText(net.Program, $"#!/bin/sh\nexec ip netns exec {net._name} '{agent}' \"$@\"\n");
        File.SetUnixFileMode(net.Program, (UnixFileMode)0b111_101_101);
        return net;
    }

    /// <summary>From now on nothing that the runner sends reaches the server, acknowledgements of TCP included; no socket is told.</summary>
    public void DropPackets() => Must("ip", "-n", _name, "route", "add", "blackhole", $"{Server}/32");

    public void Heal() => Must("ip", "-n", _name, "route", "del", "blackhole", $"{Server}/32");

    public void Dispose()
    {
        Run("ip", "netns", "del", _name); // The pair of interfaces goes with the end inside.
        Support.Stack.DeleteFolder(_folder);
    }

    private static void Must(params string[] command) => Assert.True(Run(command), $"{string.Join(' ', command)} failed");

    private static bool Run(params string[] command)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true })!;
            process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false; // No `ip` on this machine.
        }
    }
}

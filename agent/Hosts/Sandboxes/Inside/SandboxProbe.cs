using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Marionette.Agent.Egress.Namespaces;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>What the check runs inside a sandbox: it tries what it must not be able to, and says how it went, a line each.</summary>
internal static unsafe class SandboxProbe
{
    public const string Verb = "sandbox-probe";

    public const string Done = "done";

    private const int Patience = 3000;

    public static int Run(string[] what)
    {
        switch (what)
        {
            case ["look", var secret, var port, var outside]:
                Say("file", File.Exists(secret) || Directory.Exists("/root") || File.Exists("/etc/shadow"));
                Say("processes", Directory.GetDirectories("/proc").Count(folder => Path.GetFileName(folder).All(char.IsAsciiDigit)) > 8);
                Say("gateway", Answers(NetworkRules.GatewayName, 80));
                Say("loopback", Answers("127.0.0.1", int.Parse(port, CultureInfo.InvariantCulture)));
                Say("outside", IPEndPoint.TryParse(outside, out var place) && Answers(place.Address.ToString(), place.Port));
                Say("root", SandboxCalls.Unshare(NetCalls.NewNetworkNamespace) == 0);
                break;
            case ["disk", var mib]:
                Say("full", Fill("/tmp/fill", int.Parse(mib, CultureInfo.InvariantCulture)));
                Say("workspace_full", Fill(InsidePaths.Workspace + "/fill", int.Parse(mib, CultureInfo.InvariantCulture)));
                break;
            case ["pids", var count]:
                Console.Out.WriteLine($"pids={Processes(int.Parse(count, CultureInfo.InvariantCulture))}");
                break;
            case ["memory", var mib]:
                Eat(int.Parse(mib, CultureInfo.InvariantCulture));
                break;
            case ["cpu"]:
                for (var began = Environment.TickCount64; Environment.TickCount64 - began < 1000;)
                    Thread.SpinWait(1000);
                break;
            case ["beat"]:
                while (true)
                {
                    Console.Out.WriteLine("beat");
                    Thread.Sleep(20);
                }

            default:
                return 1;
        }

        Console.Out.WriteLine(Done);
        return 0;
    }

    private static void Say(string what, bool holds) => Console.Out.WriteLine($"{what}={(holds ? "yes" : "no")}");

    private static bool Answers(string host, int port)
    {
        try
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
            {
                ReceiveTimeout = Patience, SendTimeout = Patience,
            };
            socket.Connect(host, port);
            var answer = new byte[16];
            return Encoding.ASCII.GetString(answer, 0, socket.Receive(answer)).StartsWith(SandboxCheck.Greeting, StringComparison.Ordinal);
        }
        catch (Exception exception) when (exception is SocketException or IOException)
        {
            return false;
        }
    }

    private static bool Fill(string path, int mib)
    {
        var block = new byte[1 << 20];
        try
        {
            using var file = File.Create(path);
            for (var at = 0; at < mib; at++)
                file.Write(block);
            return false;
        }
        catch (IOException)
        {
            return true;
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static int Processes(int most)
    {
        var sleep = SystemProgram.Find("sleep")!;
        for (var count = 0; count < most; count++)
        {
            try
            {
                SystemProgram.Start([sleep, "600"], 0, 1, 2);
            }
            catch (IOException)
            {
                return count;
            }
        }

        return most;
    }

    private static void Eat(int mib)
    {
        for (var at = 0; at < mib; at++)
            NativeMemory.Fill(NativeMemory.Alloc(1 << 20), 1 << 20, 1);
    }
}

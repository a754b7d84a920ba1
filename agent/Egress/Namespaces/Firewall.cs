using System.Runtime.InteropServices;
using System.Text;
using Marionette.Agent.Processes;

namespace Marionette.Agent.Egress.Namespaces;

/// <summary>
/// The rules of a peer namespace, the same for every runner: all TCP comes to one socket of ours, questions for names to another, all other UDP to a
/// third or to the socket that its flow has, and nothing else goes anywhere. Loaded before the runner's link exists.
/// </summary>
internal static unsafe class Firewall
{
    public const int TcpPort = 15001;
    public const int UdpPort = 15002;
    public const int NamePort = 15053;

    // TPROXY leaves packets as they are, so the accepted socket's own address is where the runner wanted to go, a datagram's is told beside it, and
    // nothing is tracked that a runner could fill up. Only questions for names are tracked: their answers must come from the server asked.
    private static readonly string Rules = $$"""
        table inet marionette {
          chain early {
            type filter hook prerouting priority raw; policy accept;
            udp dport 53 limit rate over 2000/second burst 500 packets drop
            udp dport 53 accept
            notrack
          }
          chain late {
            type filter hook output priority raw; policy accept;
            udp sport {{NamePort}} accept
            notrack
          }
          chain names {
            type nat hook prerouting priority dstnat; policy accept;
            iifname "{{Netlink.PeerLink}}" udp dport 53 redirect to :{{NamePort}}
          }
          chain divert {
            type filter hook prerouting priority mangle; policy accept;
            iifname "{{Netlink.PeerLink}}" meta l4proto tcp tproxy to :{{TcpPort}} accept
            iifname "{{Netlink.PeerLink}}" udp dport != 53 tproxy to :{{UdpPort}} accept
          }
          chain gate {
            type filter hook input priority filter; policy drop;
            iifname "lo" accept
            meta l4proto { tcp, udp } accept
            icmp type destination-unreachable accept
            icmpv6 type { destination-unreachable, nd-neighbor-solicit, nd-neighbor-advert } accept
            meta l4proto != icmpv6 limit rate 200/second reject with icmpx type admin-prohibited
          }
          chain through {
            type filter hook forward priority filter; policy drop;
          }
        }

        """;

    private static readonly string[] Folders = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin", "/bin"];

    /// <summary>Where nft is; null when this machine has none.</summary>
    public static string? Program { get; } = Folders.Select(folder => Path.Combine(folder, "nft")).FirstOrDefault(File.Exists);

    /// <summary>Loads the rules into the namespace of the calling thread; blocks until they stand.</summary>
    /// <exception cref="IOException">They do not stand.</exception>
    public static void Load()
    {
        if (Program is null)
            throw new IOException("nft is missing (package nftables)");
        // Not the base library's Process: it may start threads, and they would be born in this namespace.
        var input = Libc.Pipe();
        var output = Libc.Pipe();
        int pid;
        try
        {
            pid = Spawn(Program, input.Read, output.Write);
            Write(input.Write, Encoding.ASCII.GetBytes(Rules));
        }
        finally
        {
            foreach (var end in new[] { input.Read, input.Write, output.Write })
                _ = Libc.Close(end);
        }

        var said = ReadToEnd(output.Read);
        _ = Libc.Close(output.Read);
        var status = Libc.Reap(pid);
        if (status.Code != 0)
            throw new IOException($"nft: {said.ReplaceLineEndings(" ").Trim()} ({status})");
    }

    private static int Spawn(string program, int input, int output)
    {
        var opaque = (byte*)NativeMemory.AllocZeroed(2 * Libc.OpaqueSize);
        try
        {
            _ = Libc.InitActions(opaque);
            _ = Libc.AddDuplicate(opaque, input, 0);
            _ = Libc.AddDuplicate(opaque, output, 1);
            _ = Libc.AddDuplicate(opaque, output, 2);
            _ = Libc.InitAttributes(opaque + Libc.OpaqueSize);
            using var arguments = new Utf8Strings([program, "-f", "-"]);
            using var environment = new Utf8Strings(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"]);
            int pid;
            var error = Libc.Spawn(&pid, arguments.Pointer[0], opaque, opaque + Libc.OpaqueSize, arguments.Pointer, environment.Pointer);
            return error == 0 ? pid : throw new IOException($"{program}: {Marshal.GetPInvokeErrorMessage(error)}");
        }
        finally
        {
            NativeMemory.Free(opaque);
        }
    }

    // The rules fit into the pipe's buffer, whether anybody reads or not.
    private static void Write(int descriptor, byte[] bytes)
    {
        fixed (byte* start = bytes)
            _ = Libc.Write(descriptor, start, (nuint)bytes.Length);
    }

    private static string ReadToEnd(int descriptor)
    {
        var text = new StringBuilder();
        var buffer = stackalloc byte[1024];
        while (Libc.Read(descriptor, buffer, 1024) is var read and > 0)
            text.Append(Encoding.UTF8.GetString(buffer, (int)read));
        return text.ToString();
    }
}

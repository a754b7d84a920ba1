using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Marionette.Bench.Measuring;

namespace Marionette.Bench.Runners;

/// <summary>Both ends of the <c>egress</c> figure, each a process inside of a network namespace.</summary>
internal static class NetworkPeer
{
    public const string Verb = "network-peer";

    private const int BufferSize = 256 * 1024;

    /// <summary><c>serve PORT</c>, <c>get HOST PORT BYTES</c> (prints bytes a second) or <c>dial HOST PORT TIMES</c> (prints the median in ms).</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        switch (args)
        {
            case ["serve", var port]:
                await ServeAsync(int.Parse(port, CultureInfo.InvariantCulture));
                return 0;
            case ["get", var host, var port, var bytes]:
                Say(await GetAsync(Target(host, port), long.Parse(bytes, CultureInfo.InvariantCulture)));
                return 0;
            case ["dial", var host, var port, var times]:
                Say(await DialAsync(Target(host, port), int.Parse(times, CultureInfo.InvariantCulture)));
                return 0;
            default:
                return 2;
        }
    }

    private static IPEndPoint Target(string host, string port) => new(IPAddress.Parse(host), int.Parse(port, CultureInfo.InvariantCulture));

    private static void Say(double number) => Console.WriteLine(number.ToString("R", CultureInfo.InvariantCulture));

    // Asked for a number of bytes, it sends them; asked for none, one.
    private static async Task ServeAsync(int port)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Any, port));
        listener.Listen(256);
        Console.WriteLine("listening");
        var buffer = new byte[BufferSize];
        while (true)
        {
            using var client = await listener.AcceptAsync();
            client.NoDelay = true;
            var asked = new byte[8];
            await new NetworkStream(client).ReadExactlyAsync(asked);
            for (var left = Math.Max(1, BitConverter.ToInt64(asked)); left > 0;) left -= await client.SendAsync(buffer.AsMemory(0, (int)Math.Min(left, BufferSize)));
        }
    }

    private static async Task<double> GetAsync(IPEndPoint target, long bytes)
    {
        using var socket = await AskAsync(target, bytes);
        var buffer = new byte[BufferSize];
        var began = Stopwatch.GetTimestamp();
        var sum = 0L;
        while (await socket.ReceiveAsync(buffer) is var read and > 0) sum += read;
        if (sum != bytes) throw new InvalidOperationException($"{sum} of {bytes} bytes came");
        return bytes / Stopwatch.GetElapsedTime(began).TotalSeconds;
    }

    private static async Task<double> DialAsync(IPEndPoint target, int times)
    {
        var taken = new List<double>();
        for (var i = 0; i < times; i++)
        {
            var began = Stopwatch.GetTimestamp();
            using var socket = await AskAsync(target, 0);
            if (await socket.ReceiveAsync(new byte[1]) != 1) throw new InvalidOperationException("no answer");
            taken.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
        }

        return Series.Median(taken);
    }

    private static async Task<Socket> AskAsync(IPEndPoint target, long bytes)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(target);
        await socket.SendAsync(BitConverter.GetBytes(bytes));
        return socket;
    }
}

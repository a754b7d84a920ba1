using System.Buffers.Text;
using System.Diagnostics;
using System.Globalization;

namespace Marionette.Bench.Runners;

/// <summary>
/// The program that the command agent runs for <c>events-latency</c> and <c>failover</c>: lines that hold the moment of their printing, on the clock
/// that all processes of the machine share.
/// </summary>
internal static class Ticker
{
    public const string Verb = "ticker";

    public static int Run(int perSecond, int count)
    {
        using var output = Console.OpenStandardOutput();
        var step = Stopwatch.Frequency / perSecond;
        var due = Stopwatch.GetTimestamp() + step;
        Span<byte> line = stackalloc byte[32];
        for (var i = 0; i < count; i++, due += step)
        {
            while (Stopwatch.GetTimestamp() is var now && now < due) Thread.Sleep(TimeSpan.FromTicks(Math.Max(1, (due - now) * TimeSpan.TicksPerSecond / Stopwatch.Frequency)));
            Stopwatch.GetTimestamp().TryFormat(line, out var length, provider: CultureInfo.InvariantCulture);
            line[length] = (byte)'\n';
            output.Write(line[..(length + 1)]);
        }

        return 0;
    }

    /// <summary>When a line was printed, out of the event that carries it.</summary>
    /// <param name="line">The event's JSON.</param>
    public static bool TryRead(ReadOnlySpan<byte> line, out long printed)
    {
        printed = 0;
        return line.IndexOf("\"content\":\""u8) is >= 0 and var at && Utf8Parser.TryParse(line[(at + 11)..], out printed, out _);
    }
}

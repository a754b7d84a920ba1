using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Marionette.Agent.Egress;

/// <summary>
/// Standard output, one line at a time, written by a thread of its own: a reader that does not read holds up answers, never the
/// runners' connections. Notices that find no room are told later, by whoever counts them.
/// </summary>
internal sealed class NetdOutput : IDisposable
{
    private const int Room = 1024;

    private readonly BlockingCollection<byte[]> lines = new(Room);
    private readonly Stream stream;
    private readonly Thread writer;

    public NetdOutput(Stream stream)
    {
        this.stream = stream;
        writer = new Thread(WriteAll) { IsBackground = true, Name = "output" };
        writer.Start();
    }

    /// <summary>Writes an answer; waits for room.</summary>
    public void Answer(NetdAnswer answer) => lines.Add(Line(answer, NetdJsonContext.Default.NetdAnswer));

    /// <summary>Writes a notice if there is room.</summary>
    public bool TryNotice<T>(T notice, JsonTypeInfo<T> type) => lines.TryAdd(Line(notice, type));

    /// <summary>Writes what waits, for a moment: nobody may be reading.</summary>
    public void Dispose()
    {
        lines.CompleteAdding();
        if (writer.Join(TimeSpan.FromSeconds(2)))
            lines.Dispose();
    }

    private static byte[] Line<T>(T value, JsonTypeInfo<T> type) => [.. JsonSerializer.SerializeToUtf8Bytes(value, type), (byte)'\n'];

    private void WriteAll()
    {
        foreach (var line in lines.GetConsumingEnumerable())
        {
            try
            {
                stream.Write(line);
                stream.Flush();
            }
            catch (IOException)
            {
                // Nobody reads now; with --stay somebody may again.
            }
        }
    }
}

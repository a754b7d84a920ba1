using System.Text;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Marionette.Agent.Processes;

namespace Marionette.Agent.Tests.Processes;

public sealed class LineReaderTests
{
    [Property(MaxTest = 500)]
    public Property Lines_AreTheSame_HoweverTheBytesArrive() => Prop.ForAll(
        (from text in Gen.Elements("a", "\n", "ä", "\r", "€", "😀").ArrayOf().Select(string.Concat)
            from cuts in Gen.Choose(1, 7).ArrayOf(200)
            from max in Gen.Choose(4, 40)
            select (text, cuts, max)).ToArbitrary(),
        given =>
        {
            var bytes = Encoding.UTF8.GetBytes(given.text);
            var lines = ReadAsync(new PiecewiseStream(bytes, given.cuts), given.max).GetAwaiter().GetResult();

            // Every piece is whole text within the limit, and together they are the input.
            Assert.All(lines, line => Assert.InRange(line.Bytes.Length, 0, given.max));
            Assert.All(lines, line => Assert.Equal(line.Bytes, Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(line.Bytes))));
            var joined = lines.SelectMany(line => line.Partial ? line.Bytes : [.. line.Bytes, (byte)'\n']).ToArray();
            byte[] expected = bytes.Length == 0 || bytes[^1] == '\n' ? bytes : [.. bytes, (byte)'\n'];
            Assert.Equal(expected, joined);
        });

    [Fact]
    public async Task LongLine_IsReadInTimeThatGrowsWithItsLength()
    {
        // 40 MB in small reads: searching the whole line anew after each read would take minutes.
        var line = new byte[40 << 20];
        Array.Fill(line, (byte)'x');
        var lines = await ReadAsync(new PiecewiseStream(line, [4000]), 64 << 20).WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(line.Length, Assert.Single(lines).Bytes.Length);
    }

    [Fact]
    public async Task LastLine_IsKept_WithoutItsLineFeed()
    {
        var lines = await ReadAsync(new MemoryStream("one\ntwo"u8.ToArray()), 100);
        Assert.Equal(["one", "two"], lines.Select(line => Encoding.UTF8.GetString(line.Bytes)));
        Assert.DoesNotContain(lines, line => line.Partial);
    }

    private static async Task<List<(byte[] Bytes, bool Partial)>> ReadAsync(Stream stream, int max)
    {
        using var reader = new LineReader(stream, max);
        var lines = new List<(byte[], bool)>();
        bool more;
        do
        {
            more = await reader.FillAsync(CancellationToken.None);
            while (reader.TryTake(out var line, out var partial))
                lines.Add((line.ToArray(), partial));
        }
        while (more);
        return lines;
    }

    /// <summary>Gives out its bytes in pieces of the given sizes.</summary>
    private sealed class PiecewiseStream(byte[] bytes, int[] sizes) : MemoryStream(bytes)
    {
        private int next;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(buffer.Length, sizes[next++ % sizes.Length])], cancellationToken);
    }
}

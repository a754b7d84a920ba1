using FsCheck;
using FsCheck.Xunit;
using Marionette.Workspaces.Tests.Support;

namespace Marionette.Workspaces.Tests;

public sealed class ChunkerTests
{
    private static readonly ConvergenceKey Key = new(Enumerable.Range(0, 32).Select(i => (byte)i).ToArray());
    private static readonly ChunkSizes Small = new(64, 8, 1024);

    private static List<int> Cuts(byte[] data, ConvergenceKey key, ChunkSizes sizes)
    {
        var (chunker, cuts) = (new Chunker(key.Gear, sizes), new List<int>());
        for (var at = 0; at < data.Length; at += cuts[^1])
            cuts.Add(chunker.Cut(data.AsSpan(at, Math.Min(sizes.Maximum, data.Length - at))));
        return cuts;
    }

    [Property(MaxTest = 60)]
    public bool Cut_AnyContent_CoversItWithinTheLimits(int seed, PositiveInt length)
    {
        var data = Bytes.Random(seed, length.Get * 37 % 40_000);
        var cuts = Cuts(data, Key, Small);
        return cuts.Sum() == data.Length && cuts.SkipLast(1).All(cut => cut is > 64 and <= 1024) && cuts.All(cut => cut <= 1024);
    }

    [Fact]
    public void Cut_KnownContent_IsTheFormats() =>
        // A test vector of docs/reference/formats/workspace.md: cut points are part of the format for a key.
        Assert.Equal(Vectors.Cuts, Cuts(Vectors.Content(4 * 1024 * 1024), Key, ChunkSizes.Default));

    [Fact]
    public void Cut_AnInsertInTheMiddle_ChangesFewChunks()
    {
        var data = Bytes.Random(7, 400_000);
        byte[] changed = [.. data.AsSpan(0, 200_000), 1, 2, 3, .. data.AsSpan(200_000)];
        var before = Chunks(data);
        Assert.InRange(Chunks(changed).Count(chunk => !before.Contains(chunk)), 1, 4);

        static HashSet<string> Chunks(byte[] all)
        {
            var (at, chunks) = (0, new HashSet<string>());
            foreach (var cut in Cuts(all, Key, Small))
                chunks.Add(Convert.ToHexString(all.AsSpan((at += cut) - cut, cut)));
            return chunks;
        }
    }

    [Fact]
    public void Cut_AnotherTenantsKey_CutsElsewhere()
    {
        var data = Bytes.Random(3, 100_000);
        Assert.NotEqual(Cuts(data, Key, Small), Cuts(data, new ConvergenceKey(new byte[32]), Small));
    }

    [Fact]
    public void Cut_RandomContent_AveragesWhatItsBitsSay()
    {
        var cuts = Cuts(Bytes.Random(11, 2_000_000), Key, Small);
        Assert.InRange(cuts.Average(), 200, 400);
    }

    [Fact]
    public void Find_TwoBytesAStep_IsThePlainLoop()
    {
        var data = Bytes.Random(5, 200_000);
        var at = 0;
        foreach (var cut in Cuts(data, Key, Small))
        {
            Assert.Equal(Plain(data.AsSpan(at, Math.Min(1024, data.Length - at))), cut);
            at += cut;
        }

        static int Plain(ReadOnlySpan<byte> bytes)
        {
            if (bytes.Length <= Small.Minimum)
                return bytes.Length;
            var (hash, middle) = (0UL, 1 << Small.AverageBits);
            for (var i = Small.Minimum; i < bytes.Length; i++)
            {
                hash = (hash << 1) + Key.Gear[bytes[i]];
                var bits = Small.AverageBits + (i < middle ? 2 : -2);
                if ((hash & (((1UL << bits) - 1) << (63 - bits))) == 0)
                    return i + 1;
            }

            return bytes.Length;
        }
    }
}

namespace Marionette.Workspaces;

/// <summary>Sizes of the parts that files are cut into, in bytes. Part of what makes equal content equal chunks: changing them ends sharing with what is stored.</summary>
/// <param name="Minimum">No chunk but a file's last is shorter.</param>
/// <param name="AverageBits">Two to this power is about the usual size.</param>
/// <param name="Maximum">No chunk is longer; at most <see cref="ChunkFormat.MaxPlain"/>.</param>
public sealed record ChunkSizes(int Minimum, int AverageBits, int Maximum)
{
    /// <summary>What version 1 of the format uses; measured in ADR 4.</summary>
    public static ChunkSizes Default { get; } = new(64 * 1024, 18, 1024 * 1024);
}

/// <summary>
/// Cuts content where its bytes say so: FastCDC with normalised chunking and two bytes a step (Xia et al., "The Design of Fast Content-Defined Chunking for
/// Data Deduplication Based Storage Systems", IEEE TPDS 31(9), 2020). The bits that decide are the highest but one of the
/// gear hash; they depend on the last 63 bytes.
/// </summary>
internal sealed class Chunker
{
    /// <summary>Before the usual size a cut needs this many bits more, after it as many less ("NC2" in the paper).</summary>
    private const int Normalization = 2;

    private readonly ulong[] _gear, _shifted;
    private readonly int _minimum, _average, _maximum;
    private readonly ulong _strict, _loose;

    public Chunker(ulong[] gear, ChunkSizes sizes)
    {
        (_gear, _minimum, _average, _maximum) = (gear, sizes.Minimum, 1 << sizes.AverageBits, sizes.Maximum);
        _shifted = Array.ConvertAll(gear, value => value << 1);
        _strict = HighBits(sizes.AverageBits + Normalization);
        _loose = HighBits(sizes.AverageBits - Normalization);
    }

    /// <summary>Length of the first chunk of the data. With less than the maximum at hand, the data must be the content's end.</summary>
    public unsafe int Cut(ReadOnlySpan<byte> data)
    {
        if (data.Length <= _minimum)
            return data.Length;
        var end = Math.Min(data.Length, _maximum);
        var middle = Math.Min(_average, end);
        fixed (byte* bytes = data)
        fixed (ulong* gear = _gear, shifted = _shifted)
        {
            ulong hash = 0;
            var at = _minimum;
            return Find(bytes, gear, shifted, ref hash, ref at, middle, _strict) ? at
                : Find(bytes, gear, shifted, ref hash, ref at, end, _loose) ? at
                : end;
        }
    }

    /// <summary>Two bytes a step: the first with a hash that is already shifted for the second, and a mask shifted alike.</summary>
    private static unsafe bool Find(byte* bytes, ulong* gear, ulong* shifted, ref ulong state, ref int at, int end, ulong mask)
    {
        var hash = state;
        var i = at;
        var maskShifted = mask << 1;
        for (; i + 1 < end; i += 2)
        {
            hash = (hash << 2) + shifted[bytes[i]];
            if ((hash & maskShifted) == 0)
            {
                at = i + 1;
                return true;
            }

            hash += gear[bytes[i + 1]];
            if ((hash & mask) == 0)
            {
                at = i + 2;
                return true;
            }
        }

        (state, at) = (hash, i);
        return false;
    }

    /// <summary>The highest bits but one, so that the mask can be shifted with the hash.</summary>
    private static ulong HighBits(int count) => ((1UL << count) - 1) << (63 - count);
}

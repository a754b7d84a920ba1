using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace Marionette.Agent.Spool;

/// <summary>One file of the spool: a header, then records of consecutive numbers. Not thread-safe: the spool's lock guards it.</summary>
internal sealed class SpoolSegment : IDisposable
{
    private readonly SafeFileHandle handle;

    private SpoolSegment(string path, SafeFileHandle handle, long first, long length)
    {
        Path = path;
        this.handle = handle;
        First = first;
        Length = length;
        Last = first - 1;
    }

    public string Path { get; }

    /// <summary>Number of the first record.</summary>
    public long First { get; }

    /// <summary>Number of the last complete record; <c>First - 1</c> while there is none.</summary>
    public long Last { get; set; }

    /// <summary>Bytes that hold complete records, header included. Bytes beyond are never read.</summary>
    public long Length { get; private set; }

    public static SpoolSegment Create(string directory, long first)
    {
        var path = System.IO.Path.Combine(directory, first.ToString("D20", CultureInfo.InvariantCulture) + ".seg");
        var handle = File.OpenHandle(path, FileMode.Create, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        try
        {
            Span<byte> header = stackalloc byte[SpoolFormat.SegmentHeaderSize];
            SpoolFormat.WriteSegmentHeader(header, first);
            RandomAccess.Write(handle, header, 0);
        }
        catch
        {
            handle.Dispose();
            throw;
        }

        return new SpoolSegment(path, handle, first, SpoolFormat.SegmentHeaderSize);
    }

    /// <summary>Opens a file of an earlier process; null when its header is torn or not ours.</summary>
    public static SpoolSegment? TryOpen(string path)
    {
        var handle = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        Span<byte> header = stackalloc byte[SpoolFormat.SegmentHeaderSize];
        if (RandomAccess.Read(handle, header, 0) == header.Length
            && SpoolFormat.TryReadSegmentHeader(header, out var first))
            return new SpoolSegment(path, handle, first, RandomAccess.GetLength(handle));
        handle.Dispose();
        return null;
    }

    /// <summary>
    /// Reads every record, sets <see cref="Last"/>, and cuts off what follows the last intact one: a write that a crash tore.
    /// </summary>
    /// <returns>Bytes cut off.</returns>
    public long Recover()
    {
        var size = Length;
        var end = (long)SpoolFormat.SegmentHeaderSize;
        var number = First;
        using var block = new SpoolBlock();
        while (block.TryRecord(this, end, number, out var payload) == SpoolRead.Intact)
        {
            end += SpoolFormat.RecordHeaderSize + payload.Length;
            number++;
        }

        Last = number - 1;
        Length = end;
        if (end < size)
            RandomAccess.SetLength(handle, end);
        return size - end;
    }

    /// <summary>Writes complete records at the end. When it throws, the segment is as it was.</summary>
    public void Append(ReadOnlySpan<byte> records, long last)
    {
        RandomAccess.Write(handle, records, Length);
        Length += records.Length;
        Last = last;
    }

    public int Read(Span<byte> target, long offset) => RandomAccess.Read(handle, target, offset);

    public void Delete()
    {
        Dispose();
        File.Delete(Path);
    }

    public void Dispose() => handle.Dispose();
}

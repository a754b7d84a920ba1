using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace Marionette.Workspaces;

/// <summary>What the file system says of an entry.</summary>
internal struct EntryStat
{
    /// <summary>Nanoseconds within which two changes may bear the same time.</summary>
    public const long Tick = 20_000_000;

    private const long CoarseTick = 2_100_000_000;

    public int NameAt, NameLength;
    public uint Type, Mode, Links, User, Group;
    public ulong Inode, Size, Blocks, Device;
    public long Modified, Changed, Born;

    public readonly bool IsFile => Type == Libc.TypeFile;

    public readonly bool IsDirectory => Type == Libc.TypeDirectory;

    public readonly bool IsLink => Type == Libc.TypeLink;

    /// <summary>Same file, as it was.</summary>
    public readonly bool IsSameAs(in EntryStat other) => Inode == other.Inode && Size == other.Size && Modified == other.Modified && Changed == other.Changed;

    /// <summary>Whether a later change must show in the times: they are older than the clock by more than a tick, which is some seconds where times have no fractions.</summary>
    public readonly bool IsSettled(long clock) => Changed < clock - (Changed % 1_000_000_000 == 0 ? CoarseTick : Tick);

    public static unsafe bool Read(int dir, ReadOnlySpan<byte> name, int flags, out EntryStat stat)
    {
        Statx raw;
        fixed (byte* path = name)
        {
            var result = Libc.Statx(dir, path, flags | Libc.AtSymlinkNoFollow | Libc.AtNoAutomount, Libc.StatxBasic | Libc.StatxBirth, &raw);
            stat = result == 0 ? From(raw) : default;
            return result == 0;
        }
    }

    public static EntryStat From(in Statx raw) => new()
    {
        Type = raw.Mode & Libc.TypeMask, Mode = raw.Mode & 0xfffu, Links = raw.Links, User = raw.User, Group = raw.Group, Inode = raw.Inode, Size = raw.Size, Blocks = raw.Blocks,
        Device = (ulong)raw.DeviceMajor << 32 | raw.DeviceMinor, Modified = raw.Modified.Total, Changed = raw.Changed.Total, Born = (raw.Mask & Libc.StatxBirth) != 0 ? raw.Born.Total : 0,
    };
}

/// <summary>The entries of one folder, with a digest of all that would show a change. Its buffers are used again for the next folder.</summary>
internal sealed unsafe class FolderListing
{
    private const int ReadSize = 64 * 1024;

    private readonly byte[] _read = GC.AllocateUninitializedArray<byte>(ReadSize, pinned: true);
    private byte[] _names = new byte[16 * 1024];
    private EntryStat[] _entries = new EntryStat[256];
    private int[] _order = [];
    private int _namesLength;

    public int Count { get; private set; }

    /// <summary>Depends on every entry's name, kind, mode, size, times and inode, and not on their order.</summary>
    public UInt128 Fingerprint { get; private set; }

    public ref readonly EntryStat this[int index] => ref _entries[index];

    /// <summary>With a zero behind it.</summary>
    public ReadOnlySpan<byte> Terminated(in EntryStat entry) => _names.AsSpan(entry.NameAt, entry.NameLength + 1);

    public ReadOnlySpan<byte> Name(in EntryStat entry) => _names.AsSpan(entry.NameAt, entry.NameLength);

    /// <summary>Lists and asks of each entry; what vanishes in between is left out.</summary>
    /// <param name="without">Entries whose names begin with it do not count; empty: all do.</param>
    /// <returns>0, or the error.</returns>
    public int Read(int dir, ReadOnlySpan<byte> without = default)
    {
        (Count, _namesLength) = (0, 0);
        var (sum, error) = ((UInt128)0, ReadNames(dir));
        if (error != 0)
        {
            Count = 0;
            return error;
        }

        var kept = 0;
        Statx raw;
        for (var i = 0; i < Count; i++)
        {
            var (at, length) = (_entries[i].NameAt, _entries[i].NameLength);
            if (!without.IsEmpty && _names.AsSpan(at, length).StartsWith(without))
                continue;
            fixed (byte* name = &_names[at])
            {
                if (Libc.Statx(dir, name, Libc.AtSymlinkNoFollow | Libc.AtNoAutomount, Libc.StatxBasic | Libc.StatxBirth, &raw) != 0)
                {
                    error = Marshal.GetLastPInvokeError();
                    if (error == Libc.NoEntry)
                        continue;
                    Count = kept;
                    return error;
                }
            }

            ref var entry = ref _entries[kept++];
            entry = EntryStat.From(raw);
            (entry.NameAt, entry.NameLength) = (at, length);
            sum += Digest(entry, _names.AsSpan(at, length));
        }

        Count = kept;
        Fingerprint = sum;
        return 0;
    }

    /// <summary>Indexes in the order of names.</summary>
    public ReadOnlySpan<int> Sorted()
    {
        if (_order.Length < Count)
            _order = new int[_entries.Length];
        var order = _order.AsSpan(0, Count);
        for (var i = 0; i < order.Length; i++)
            order[i] = i;
        order.Sort((a, b) => Name(_entries[a]).SequenceCompareTo(Name(_entries[b])));
        return order;
    }

    private static UInt128 Digest(in EntryStat entry, ReadOnlySpan<byte> name)
    {
        Span<byte> all = stackalloc byte[48 + 256];
        var numbers = MemoryMarshal.Cast<byte, long>(all[..48]);
        (numbers[0], numbers[1], numbers[2]) = ((long)entry.Inode, (long)entry.Size, entry.Modified);
        (numbers[3], numbers[4], numbers[5]) = (entry.Changed, ((long)entry.Type << 32) | entry.Mode, entry.Born);
        name.CopyTo(all[48..]);
        return XxHash128.HashToUInt128(all[..(48 + name.Length)]);
    }

    private int ReadNames(int dir)
    {
        fixed (byte* buffer = _read)
        {
            while (true)
            {
                var size = Libc.GetDents(dir, buffer, ReadSize);
                if (size <= 0)
                    return size == 0 ? 0 : Marshal.GetLastPInvokeError();
                for (nint at = 0; at < size;)
                {
                    var record = buffer + at;
                    var length = *(ushort*)(record + 16); // struct linux_dirent64: inode 8, offset 8, length 2, type 1, name
                    AddName(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(record + 19));
                    at += length;
                }
            }
        }
    }

    private void AddName(ReadOnlySpan<byte> name)
    {
        if (name.SequenceEqual("."u8) || name.SequenceEqual(".."u8))
            return;
        if (_names.Length < _namesLength + name.Length + 1)
            Array.Resize(ref _names, _names.Length * 2);
        if (_entries.Length == Count)
            Array.Resize(ref _entries, _entries.Length * 2);
        _entries[Count++] = new EntryStat { NameAt = _namesLength, NameLength = name.Length };
        name.CopyTo(_names.AsSpan(_namesLength));
        _names[_namesLength + name.Length] = 0;
        _namesLength += name.Length + 1;
    }
}

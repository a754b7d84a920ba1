using System.Buffers.Binary;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>
/// Reads the head of a file system of the kind ext4. Offsets: the kernel's documentation, "ext4 data structures and algorithms", super block.
/// </summary>
internal static class Ext4
{
    private const int HeadAt = 1024, HeadSize = 1024, FeatureIs64Bit = 0x80;
    private const ushort Magic = 0xEF53;

    // A last group that cannot hold its own tables and this many blocks is left out when a file system is made or grows (resize2fs).
    private const long LeastData = 50;

    /// <summary>Whether the file is larger than the file system in it, by more than what growing would leave out again.</summary>
    /// <returns>False as well where there is none to be read.</returns>
    public static bool LacksRoomOf(string image)
    {
        Span<byte> head = stackalloc byte[HeadSize];
        using var file = File.OpenHandle(image);
        if (RandomAccess.Read(file, head, HeadAt) < HeadSize || BinaryPrimitives.ReadUInt16LittleEndian(head[0x38..]) != Magic)
            return false;
        var blockSize = 1024L << (int)Math.Min(Number(head, 0x18), 6);
        var is64Bit = (Number(head, 0x60) & FeatureIs64Bit) != 0;
        var blocks = Number(head, 0x04) + (is64Bit ? Number(head, 0x150) << 32 : 0);
        var lacking = (RandomAccess.GetLength(file) / blockSize) - blocks;
        return lacking > TablesOfAGroup(head, blockSize, blocks, is64Bit) + LeastData;
    }

    // Two maps and the inodes; and, where the group has a copy of the head, that, the descriptors and the room to have more of them.
    private static long TablesOfAGroup(ReadOnlySpan<byte> head, long blockSize, long blocks, bool is64Bit)
    {
        var groups = (blocks / Math.Max(1, Number(head, 0x20))) + 1;
        var inodes = Number(head, 0x28) * BinaryPrimitives.ReadUInt16LittleEndian(head[0x58..]) / blockSize;
        var descriptors = (groups * (is64Bit ? 64 : 32) / blockSize) + 1;
        return 2 + inodes + 1 + descriptors + BinaryPrimitives.ReadUInt16LittleEndian(head[0xCE..]);
    }

    private static long Number(ReadOnlySpan<byte> head, int at) => BinaryPrimitives.ReadUInt32LittleEndian(head[at..]);
}

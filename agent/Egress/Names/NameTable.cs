using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Marionette.Agent.Egress.Names;

/// <summary>A name that a runner asked for.</summary>
internal sealed class KnownName(string name, int number)
{
    public string Name { get; } = name;

    /// <summary>Which of the addresses it has, 1 to <see cref="NameTable.Numbers"/>.</summary>
    public int Number { get; } = number;

    /// <summary>What the name servers said last; null when they were not asked.</summary>
    public NameLookup? Lookup { get; set; }

    /// <summary>Monotonic time up to which <see cref="Lookup"/> holds.</summary>
    public long Expires { get; set; }
}

/// <summary>
/// Gives every name that a runner asks for an address of its own that leads nowhere but to us. A connection to one is thereby a
/// connection to the name, and no answer of a name server can put another machine under a rule. The oldest names make room; their
/// addresses come back last, so that a program which kept one does not meet another name.
/// </summary>
internal sealed class NameTable(int capacity = NameTable.DefaultCapacity)
{
    public const int DefaultCapacity = 8192;

    /// <summary>Addresses of 198.18.0.0/15, without the first and the last.</summary>
    public const int Numbers = (1 << 17) - 2;

    private static readonly uint FirstV4 = BinaryPrimitives.ReadUInt32BigEndian(IPAddress.Parse("198.18.0.0").GetAddressBytes());
    private static readonly byte[] FirstV6 = IPAddress.Parse("fd6d:6172:696f:1::").GetAddressBytes();

    private readonly Lock gate = new();
    private readonly Dictionary<string, LinkedListNode<KnownName>> byName = new(StringComparer.Ordinal);
    private readonly Dictionary<int, LinkedListNode<KnownName>> byNumber = [];
    private readonly LinkedList<KnownName> newest = new();
    private int next;

    /// <summary>The entry of a name, made when it has none.</summary>
    public KnownName For(string name)
    {
        lock (gate)
        {
            if (byName.TryGetValue(name, out var node))
                return Touch(node);
            if (byName.Count >= capacity && newest.Last is { } oldest)
            {
                newest.RemoveLast();
                byName.Remove(oldest.Value.Name);
                byNumber.Remove(oldest.Value.Number);
            }

            do
                next = (next % Numbers) + 1;
            while (byNumber.ContainsKey(next));
            node = newest.AddFirst(new KnownName(name, next));
            byName[name] = node;
            byNumber[next] = node;
            return node.Value;
        }
    }

    /// <summary>The name behind an address of ours; null when it has none any more.</summary>
    public KnownName? Find(IPAddress address)
    {
        if (NumberOf(address) is not { } number)
            return null;
        lock (gate)
            return byNumber.TryGetValue(number, out var node) ? Touch(node) : null;
    }

    /// <summary>Whether an address is one that stands for a name.</summary>
    /// <param name="address">Canonical.</param>
    public static bool IsOurs(IPAddress address) => NumberOf(address) is not null;

    /// <summary>The address that stands for a name.</summary>
    public static IPAddress Address(KnownName name, AddressFamily family)
    {
        if (family == AddressFamily.InterNetwork)
        {
            Span<byte> four = stackalloc byte[4];
            BinaryPrimitives.WriteUInt32BigEndian(four, FirstV4 + (uint)name.Number);
            return new IPAddress(four);
        }

        Span<byte> bytes = stackalloc byte[16];
        FirstV6.CopyTo(bytes);
        BinaryPrimitives.WriteInt32BigEndian(bytes[12..], name.Number);
        return new IPAddress(bytes);
    }

    private static int? NumberOf(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out var length);
        if (length == 4)
        {
            var offset = BinaryPrimitives.ReadUInt32BigEndian(bytes) - FirstV4;
            return offset <= Numbers + 1 ? (int)offset : null;
        }

        if (!bytes[..8].SequenceEqual(FirstV6.AsSpan(0, 8)))
            return null;
        return bytes[8..12].ContainsAnyExcept((byte)0) ? 0 : BinaryPrimitives.ReadInt32BigEndian(bytes[12..]);
    }

    private KnownName Touch(LinkedListNode<KnownName> node)
    {
        newest.Remove(node);
        newest.AddFirst(node);
        return node.Value;
    }
}

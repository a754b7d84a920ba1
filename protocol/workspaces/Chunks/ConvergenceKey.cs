using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Marionette.Workspaces;

/// <summary>
/// What a writer of a tenant needs: equal content under the same key gets the same reference, so it is stored once. Two tenants' keys give
/// unrelated references, ids and cut points.
/// </summary>
public sealed class ConvergenceKey
{
    /// <summary>Bytes of the key.</summary>
    public const int Size = 32;

    private readonly byte[] _data = new byte[32], _tree = new byte[32];

    /// <summary>From its 32 bytes.</summary>
    /// <exception cref="WorkspaceException">Invalid: not 32 bytes.</exception>
    public ConvergenceKey(ReadOnlySpan<byte> key)
    {
        if (key.Length != Size)
            throw new WorkspaceException(WorkspaceFault.Invalid, $"A convergence key has {Size} bytes, not {key.Length}.");
        Keyed.Hash(key, "marionette.workspace.v1 data"u8, _data);
        Keyed.Hash(key, "marionette.workspace.v1 tree"u8, _tree);
        Span<byte> cut = stackalloc byte[(256 + 1) * 8];
        Keyed.Hash(key, "marionette.workspace.v1 cut"u8, cut);
        for (var i = 0; i < Gear.Length; i++)
            Gear[i] = BinaryPrimitives.ReadUInt64LittleEndian(cut[(i * 8)..]);
        NameSeed = BinaryPrimitives.ReadInt64LittleEndian(cut[(256 * 8)..]);
        Keyed.Hash(key, "marionette.workspace.v1 mark"u8, Mark);
    }

    /// <summary>The chunker's table: cut points differ between tenants, so that sizes of chunks are no fingerprint of known content.</summary>
    internal ulong[] Gear { get; } = new ulong[256];

    /// <summary>Seed of the hash that splits large directories.</summary>
    internal long NameSeed { get; }

    /// <summary>Tells caches of different keys apart; says nothing of the key.</summary>
    internal byte[] Mark { get; } = new byte[16];

    /// <summary>The reference of a content.</summary>
    public ChunkRef Reference(ChunkType type, ReadOnlySpan<byte> plain)
    {
        Span<byte> hash = stackalloc byte[ChunkRef.Size];
        Keyed.Hash(type == ChunkType.Tree ? _tree : _data, plain, hash);
        return new ChunkRef(hash);
    }

    /// <summary>A new random key.</summary>
    internal static byte[] New() => RandomNumberGenerator.GetBytes(Size);
}

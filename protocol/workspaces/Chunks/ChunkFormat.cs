using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Marionette.Workspaces;

/// <summary>How a chunk's content is packed before it is sealed. A byte of the format.</summary>
internal enum ChunkMethod : byte
{
    Raw = 0,
    Zstd = 1,
}

/// <summary>A stored chunk: 12 bytes of nonce, the sealed content, 16 bytes of tag. docs/reference/formats/workspace.md has the layout.</summary>
public static class ChunkFormat
{
    /// <summary>The version that this library writes.</summary>
    public const byte Version = 1;

    /// <summary>No chunk is longer, in bytes. Readers refuse more before they take memory for it.</summary>
    public const int MaxPlain = 8 * 1024 * 1024;

    internal const int NonceSize = 12, TagSize = 16, Overhead = NonceSize + TagSize;

    /// <summary>What a chunk says of itself is bound to it: a chunk under another id, type, method or length does not open.</summary>
    internal const int AssociatedSize = 8 + ChunkId.Size;

    internal static void Associated(Span<byte> target, ChunkId id, ChunkType type, ChunkMethod method, int plainLength)
    {
        (target[0], target[1], target[2], target[3]) = (Version, (byte)type, (byte)method, 0);
        BinaryPrimitives.WriteInt32LittleEndian(target[4..], plainLength);
        id.CopyTo(target[8..]);
    }

    /// <summary>Seals under a nonce of its own: the same content may be packed differently by another version, and a nonce must never see two contents.</summary>
    internal static int Seal(ReadOnlySpan<byte> key, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> content, Span<byte> target)
    {
        RandomNumberGenerator.Fill(target[..NonceSize]);
        using var aes = new AesGcm(key, TagSize);
        aes.Encrypt(target[..NonceSize], content, target.Slice(NonceSize, content.Length), target.Slice(NonceSize + content.Length, TagSize), associated);
        return content.Length + Overhead;
    }

    /// <summary>False when the bytes are not what was sealed under this key.</summary>
    internal static bool Open(ReadOnlySpan<byte> key, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> stored, Span<byte> target)
    {
        if (stored.Length < Overhead)
            return false;
        using var aes = new AesGcm(key, TagSize);
        try
        {
            aes.Decrypt(stored[..NonceSize], stored[NonceSize..^TagSize], stored[^TagSize..], target[..(stored.Length - Overhead)], associated);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }
}

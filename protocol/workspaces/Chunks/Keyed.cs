using Blake3;

namespace Marionette.Workspaces;

/// <summary>BLAKE3 (https://github.com/BLAKE3-team/BLAKE3-specs), plain and keyed, with as many bytes of output as asked for.</summary>
internal static class Keyed
{
    /// <summary>Keyed hash under 32 bytes of key.</summary>
    public static void Hash(ReadOnlySpan<byte> key, ReadOnlySpan<byte> data, Span<byte> output)
    {
        using var hasher = Hasher.NewKeyed(key);
        hasher.Update(data);
        hasher.Finalize(output);
    }

    /// <summary>Without a key: for what is no secret.</summary>
    public static void Plain(ReadOnlySpan<byte> data, Span<byte> output)
    {
        using var hasher = Hasher.New();
        hasher.Update(data);
        hasher.Finalize(output);
    }
}

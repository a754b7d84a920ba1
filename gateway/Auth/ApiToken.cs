using System.Buffers.Text;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Marionette.Gateway.Auth;

/// <summary>Raw keys: <c>mk_</c> and 32 random bytes in base64url. Only their SHA-256 is kept, which suffices for 256 random bits.</summary>
internal static class ApiToken
{
    public const string Prefix = "mk_";
    private const int RandomBytes = 32, EncodedLength = 43, ShownLength = 8;

    public static string New() => string.Concat(Prefix, Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(RandomBytes)));

    /// <summary>Whether it has the shape of a key; what has not is refused without a look-up. Padding is no part of it, though base64url may have some.</summary>
    public static bool IsShaped(ReadOnlySpan<char> token) =>
        token.Length == Prefix.Length + EncodedLength && token.StartsWith(Prefix, StringComparison.Ordinal) && Base64Url.IsValid(token[Prefix.Length..])
        && !token.Contains('=');

    /// <summary>What is stored and looked up.</summary>
    public static byte[] Hash(string token) => SHA256.HashData(Encoding.ASCII.GetBytes(token));

    /// <summary>The part that people may see.</summary>
    public static string Shown(string token) => token[..ShownLength];
}

/// <summary>A SHA-256 value as a dictionary key.</summary>
internal readonly record struct KeyHash(UInt128 High, UInt128 Low)
{
    public static KeyHash Of(ReadOnlySpan<byte> hash) => new(MemoryMarshal.Read<UInt128>(hash), MemoryMarshal.Read<UInt128>(hash[16..]));
}

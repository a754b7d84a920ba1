using System.Security.Cryptography;
using System.Text;

namespace Marionette.Workspaces;

/// <summary>
/// Wraps tenants' keys. A key in a file, in a variable, or in a key service that never gives its key away. The context is bound to what is wrapped: what was wrapped for one tenant does
/// not open for another.
/// </summary>
public interface IMasterKey
{
    /// <summary>Names the key, at most 200 characters; it is stored beside what it wraps.</summary>
    string Id { get; }

    /// <summary>Wraps some hundred bytes.</summary>
    ValueTask<byte[]> WrapAsync(ReadOnlyMemory<byte> plain, ReadOnlyMemory<byte> context, CancellationToken cancellationToken);

    /// <summary>Unwraps what <see cref="WrapAsync"/> made.</summary>
    /// <exception cref="WorkspaceException">WrongKey: it does not open with this key, or in this context.</exception>
    ValueTask<byte[]> UnwrapAsync(ReadOnlyMemory<byte> wrapped, ReadOnlyMemory<byte> context, CancellationToken cancellationToken);
}

/// <summary>A master key whose 32 bytes are at hand: from a file or a variable that the caller has read.</summary>
public sealed class LocalMasterKey : IMasterKey
{
    /// <summary>Bytes of the key.</summary>
    public const int Size = 32;

    private readonly byte[] _key;

    /// <summary>From 32 bytes.</summary>
    /// <exception cref="WorkspaceException">Invalid: not 32 bytes.</exception>
    public LocalMasterKey(ReadOnlySpan<byte> key)
    {
        if (key.Length != Size)
            throw new WorkspaceException(WorkspaceFault.Invalid, $"A master key has {Size} bytes, not {key.Length}.");
        _key = key.ToArray();
        Span<byte> mark = stackalloc byte[8];
        Keyed.Hash(key, "marionette.workspace.v1 master key id"u8, mark);
        Id = "local-" + Convert.ToHexStringLower(mark);
    }

    /// <inheritdoc/>
    public string Id { get; }

    /// <summary>From what a file or a variable holds: 32 bytes as they are, 64 hexadecimal digits, or base64; space around it does not matter.</summary>
    /// <exception cref="WorkspaceException">Invalid: none of these.</exception>
    public static LocalMasterKey Parse(ReadOnlySpan<byte> content)
    {
        if (content.Length == Size)
            return new LocalMasterKey(content);
        var text = Encoding.UTF8.GetString(content).Trim();
        var key = new byte[Size];
        if (text.Length == Size * 2 && Convert.FromHexString(text, key, out _, out var digits) == System.Buffers.OperationStatus.Done && digits == Size)
            return new LocalMasterKey(key);
        return Convert.TryFromBase64String(text, key, out var count) && count == Size
            ? new LocalMasterKey(key)
            : throw new WorkspaceException(WorkspaceFault.Invalid, "A master key is 32 bytes, 64 hexadecimal digits or their base64.");
    }

    /// <inheritdoc/>
    public ValueTask<byte[]> WrapAsync(ReadOnlyMemory<byte> plain, ReadOnlyMemory<byte> context, CancellationToken cancellationToken)
    {
        var wrapped = new byte[plain.Length + ChunkFormat.Overhead];
        ChunkFormat.Seal(_key, context.Span, plain.Span, wrapped);
        return ValueTask.FromResult(wrapped);
    }

    /// <inheritdoc/>
    public ValueTask<byte[]> UnwrapAsync(ReadOnlyMemory<byte> wrapped, ReadOnlyMemory<byte> context, CancellationToken cancellationToken)
    {
        var plain = new byte[Math.Max(wrapped.Length - ChunkFormat.Overhead, 0)];
        return ChunkFormat.Open(_key, context.Span, wrapped.Span, plain)
            ? ValueTask.FromResult(plain)
            : throw new WorkspaceException(WorkspaceFault.WrongKey, $"The tenant's keys do not open with master key {Id}: another key, another tenant, or changed bytes.");
    }

    /// <summary>A new random key.</summary>
    public static byte[] New() => RandomNumberGenerator.GetBytes(Size);
}

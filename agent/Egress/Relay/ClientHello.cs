using System.Buffers.Binary;
using System.Text;

namespace Marionette.Agent.Egress.Relay;

/// <summary>What the first bytes of a connection are.</summary>
internal enum HelloState
{
    /// <summary>They begin like TLS, and the greeting is not whole yet.</summary>
    Incomplete,

    /// <summary>Something else than TLS.</summary>
    NotTls,

    /// <summary>A whole greeting.</summary>
    Complete,

    /// <summary>They begin like TLS and cannot be read.</summary>
    Malformed,
}

/// <summary>Reads the name that a TLS client asks for, from the bytes that it sends first. Whatever the bytes are, it only reads.</summary>
internal static class ClientHello
{
    /// <summary>Longest greeting that is read; clients of today need a few kilobytes.</summary>
    public const int MaxSize = 64 * 1024;

    private const byte RecordHandshake = 22;
    private const byte RecordMajor = 3;
    private const int RecordHead = 5;
    private const int MaxRecord = 16 * 1024;
    private const byte TypeClientHello = 1;
    private const int ExtensionServerName = 0;

    /// <summary>Looks at what has come so far.</summary>
    /// <param name="serverName">The name, as it stands there; null when the greeting has none.</param>
    public static HelloState Read(ReadOnlySpan<byte> bytes, out string? serverName)
    {
        serverName = null;
        if (bytes.IsEmpty)
            return HelloState.Incomplete;
        if (bytes[0] != RecordHandshake || (bytes.Length > 1 && bytes[1] != RecordMajor))
            return HelloState.NotTls;
        // A greeting may be cut into any number of records: they are put together before it is read.
        var message = new byte[Math.Min(bytes.Length, MaxSize)];
        var length = 0;
        while (bytes.Length >= RecordHead)
        {
            int size = BinaryPrimitives.ReadUInt16BigEndian(bytes[3..]);
            if (bytes[0] != RecordHandshake || bytes[1] != RecordMajor || size is 0 or > MaxRecord)
                return HelloState.Malformed;
            var part = bytes.Slice(RecordHead, Math.Min(size, bytes.Length - RecordHead));
            if (length + part.Length > message.Length)
                return HelloState.Malformed;
            part.CopyTo(message.AsSpan(length));
            length += part.Length;
            if (length >= 4 && (message[0] != TypeClientHello || Size(message) > MaxSize))
                return HelloState.Malformed;
            if (length >= 4 && length >= 4 + Size(message))
                return ReadHello(message.AsSpan(4, Size(message)), out serverName) ? HelloState.Complete : HelloState.Malformed;
            bytes = bytes[(RecordHead + part.Length)..];
        }

        return HelloState.Incomplete;
    }

    private static int Size(ReadOnlySpan<byte> message) => (message[1] << 16) | (message[2] << 8) | message[3];

    private static bool ReadHello(ReadOnlySpan<byte> hello, out string? serverName)
    {
        serverName = null;
        const int versionAndRandom = 2 + 32;
        if (hello.Length < versionAndRandom)
            return false;
        hello = hello[versionAndRandom..];
        if (!Cut(ref hello, 1, out _) || !Cut(ref hello, 2, out _) || !Cut(ref hello, 1, out _))
            return false;
        if (hello.IsEmpty)
            return true; // no extensions: an old client
        if (!Cut(ref hello, 2, out var extensions))
            return false;
        while (!extensions.IsEmpty)
        {
            if (extensions.Length < 2)
                return false;
            var type = BinaryPrimitives.ReadUInt16BigEndian(extensions);
            extensions = extensions[2..];
            if (!Cut(ref extensions, 2, out var body))
                return false;
            // Two of them would be read by one as the first and by another as the last.
            if (type == ExtensionServerName && (serverName is not null || !ReadServerName(body, out serverName)))
                return false;
        }

        return true;
    }

    private static bool ReadServerName(ReadOnlySpan<byte> body, out string? name)
    {
        name = null;
        if (!Cut(ref body, 2, out var list) || !body.IsEmpty || list.IsEmpty || list[0] != 0)
            return false;
        list = list[1..];
        if (!Cut(ref list, 2, out var text) || !list.IsEmpty)
            return false;
        name = Encoding.Latin1.GetString(text);
        return true;
    }

    /// <summary>Takes a piece that its own length, of one or two bytes, stands before.</summary>
    private static bool Cut(ref ReadOnlySpan<byte> bytes, int lengthSize, out ReadOnlySpan<byte> piece)
    {
        piece = default;
        if (bytes.Length < lengthSize)
            return false;
        var size = lengthSize == 1 ? bytes[0] : BinaryPrimitives.ReadUInt16BigEndian(bytes);
        if (bytes.Length < lengthSize + size)
            return false;
        piece = bytes.Slice(lengthSize, size);
        bytes = bytes[(lengthSize + size)..];
        return true;
    }
}

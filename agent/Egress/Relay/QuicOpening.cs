namespace Marionette.Agent.Egress.Relay;

/// <summary>
/// Tells datagrams that may begin a QUIC connection. The name that one asks for is encrypted, so it cannot be held against the name that was reached.
/// What all versions have in common (RFC 8999) and what servers insist on (RFC 9000, 14.1) is enough: a long header, in no less than 1,200 bytes.
/// </summary>
internal static class QuicOpening
{
    private const int LeastSize = 1200;
    private const byte LongHeader = 0x80;

    public static bool Is(ReadOnlySpan<byte> datagram) => datagram.Length >= LeastSize && (datagram[0] & LongHeader) != 0;
}

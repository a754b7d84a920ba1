using System.Buffers.Binary;
using System.Net;
using Marionette.Agent.Egress.Namespaces;

namespace Marionette.Agent.Tests.Egress.Pure;

public sealed class UnreachableTests
{
    [Theory]
    [InlineData("10.200.0.2", "93.184.215.14", nameof(Unreachable.Prohibited), 3, 13)]
    [InlineData("10.200.0.2", "93.184.215.14", nameof(Unreachable.Port), 3, 3)]
    [InlineData("10.200.0.2", "93.184.215.14", nameof(Unreachable.Network), 3, 6)]
    [InlineData("fd6d:6172:696f::2", "2606:2800::1", nameof(Unreachable.Prohibited), 1, 1)]
    [InlineData("fd6d:6172:696f::2", "2606:2800::1", nameof(Unreachable.Port), 1, 4)]
    [InlineData("fd6d:6172:696f::2", "2606:2800::1", nameof(Unreachable.Network), 1, 6)]
    public void Error_ComesFromTheTarget_AndQuotesTheDatagram(string client, string target, string why, int type, int code)
    {
        var path = new DatagramPath(new IPEndPoint(IPAddress.Parse(client), 40_001), new IPEndPoint(IPAddress.Parse(target), 443));
        var packet = UnreachableSender.Build(path, 65_507, Enum.Parse<Unreachable>(why));
        var isV4 = !client.Contains(':');
        var header = isV4 ? 20 : 40;
        AssertAddresses(packet, target, client);
        Assert.Equal((type, code), (packet[header], packet[header + 1]));
        var quoted = packet.AsSpan(header + 8);
        AssertAddresses(quoted, client, target);
        Assert.Equal(17, quoted[isV4 ? 9 : 6]);
        var udp = quoted[header..];
        Assert.Equal((40_001, 443, 65_515), (Number(udp), Number(udp[2..]), Number(udp[4..])));
        // A sum over what has a right one is all ones.
        var pseudo = isV4 ? 0 : Sum(packet.AsSpan(8, 32)) + (uint)(packet.Length - header) + 58;
        Assert.Equal(0xffff, Fold(pseudo + Sum(packet.AsSpan(header))));
        if (isV4)
            Assert.Equal((0xffff, 0xffff), (Fold(Sum(packet.AsSpan(0, 20))), Fold(Sum(quoted[..20]))));
    }

    private static void AssertAddresses(ReadOnlySpan<byte> header, string from, string to)
    {
        var (at, size) = header[0] >> 4 == 4 ? (12, 4) : (8, 16);
        Assert.Equal((from, to), (new IPAddress(header.Slice(at, size)).ToString(), new IPAddress(header.Slice(at + size, size)).ToString()));
    }

    private static int Number(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt16BigEndian(bytes);

    private static uint Sum(ReadOnlySpan<byte> bytes)
    {
        var sum = 0u;
        for (var at = 0; at < bytes.Length; at += 2)
            sum += (uint)Number(bytes[at..]);
        return sum;
    }

    private static int Fold(uint sum)
    {
        while (sum > 0xffff)
            sum = (sum & 0xffff) + (sum >> 16);
        return (int)sum;
    }
}

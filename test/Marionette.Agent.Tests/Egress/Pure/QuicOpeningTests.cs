using Marionette.Agent.Egress.Relay;

namespace Marionette.Agent.Tests.Egress.Pure;

public sealed class QuicOpeningTests
{
    [Theory]
    [InlineData(0xc3, 1200, true)] // version 1
    [InlineData(0xd0, 1350, true)] // version 2
    [InlineData(0x80, 65_507, true)] // a version to come
    [InlineData(0xc3, 1199, false)] // no server answers that
    [InlineData(0x40, 1400, false)] // of a connection that stands
    [InlineData(0xe3, 48, false)] // NTP, of a clock that is not set
    [InlineData(0x00, 20, false)] // STUN
    public void Opening_IsKnownByItsHeaderAndItsSize(int first, int size, bool expected)
    {
        var datagram = new byte[size];
        datagram[0] = (byte)first;
        Assert.Equal(expected, QuicOpening.Is(datagram));
    }

    [Fact]
    public void EmptyDatagram_IsNone() => Assert.False(QuicOpening.Is([]));
}

using System.Net;
using FsCheck.Xunit;
using Marionette.Agent.Egress.Policy;

namespace Marionette.Agent.Tests.Egress.Pure;

public sealed class AddressClassTests
{
    [Theory]
    [InlineData("8.8.8.8", nameof(AddressKind.Public))]
    [InlineData("172.15.255.255", nameof(AddressKind.Public))]
    [InlineData("172.32.0.0", nameof(AddressKind.Public))]
    [InlineData("100.63.255.255", nameof(AddressKind.Public))]
    [InlineData("223.255.255.255", nameof(AddressKind.Public))]
    [InlineData("2606:4700::1111", nameof(AddressKind.Public))]
    [InlineData("2001:4860:4860::8888", nameof(AddressKind.Public))]
    [InlineData("64:ff9b::808:808", nameof(AddressKind.Public))]
    [InlineData("2002:808:808::1", nameof(AddressKind.Public))]
    [InlineData("0.0.0.0", nameof(AddressKind.Private))]
    [InlineData("10.0.0.1", nameof(AddressKind.Private))]
    [InlineData("100.64.0.1", nameof(AddressKind.Private))]
    [InlineData("127.0.0.1", nameof(AddressKind.Private))]
    [InlineData("127.255.255.254", nameof(AddressKind.Private))]
    [InlineData("169.254.0.1", nameof(AddressKind.Private))]
    [InlineData("172.16.0.1", nameof(AddressKind.Private))]
    [InlineData("172.31.255.255", nameof(AddressKind.Private))]
    [InlineData("192.168.1.1", nameof(AddressKind.Private))]
    [InlineData("198.18.0.1", nameof(AddressKind.Private))]
    [InlineData("224.0.0.251", nameof(AddressKind.Private))]
    [InlineData("240.0.0.1", nameof(AddressKind.Private))]
    [InlineData("255.255.255.255", nameof(AddressKind.Private))]
    [InlineData("::", nameof(AddressKind.Private))]
    [InlineData("::1", nameof(AddressKind.Private))]
    [InlineData("::127.0.0.1", nameof(AddressKind.Private))]
    [InlineData("::8.8.8.8", nameof(AddressKind.Private))]
    [InlineData("::ffff:127.0.0.1", nameof(AddressKind.Private))]
    [InlineData("::ffff:0:127.0.0.1", nameof(AddressKind.Private))]
    [InlineData("64:ff9b::7f00:1", nameof(AddressKind.Private))]
    [InlineData("64:ff9b:1::808:808", nameof(AddressKind.Private))]
    [InlineData("2002:7f00:1::", nameof(AddressKind.Private))]
    [InlineData("2002:c0a8:101::1", nameof(AddressKind.Private))]
    [InlineData("2001::1", nameof(AddressKind.Private))]
    [InlineData("2001:db8::1", nameof(AddressKind.Private))]
    [InlineData("fc00::1", nameof(AddressKind.Private))]
    [InlineData("fd6d:6172:696f::1", nameof(AddressKind.Private))]
    [InlineData("fe80::1", nameof(AddressKind.Private))]
    [InlineData("ff02::1", nameof(AddressKind.Private))]
    [InlineData("169.254.169.254", nameof(AddressKind.Metadata))]
    [InlineData("::ffff:169.254.169.254", nameof(AddressKind.Metadata))]
    [InlineData("64:ff9b::a9fe:a9fe", nameof(AddressKind.Metadata))]
    [InlineData("2002:a9fe:a9fe::", nameof(AddressKind.Metadata))]
    [InlineData("168.63.129.16", nameof(AddressKind.Metadata))]
    [InlineData("100.100.100.200", nameof(AddressKind.Metadata))]
    [InlineData("fd00:ec2::254", nameof(AddressKind.Metadata))]
    public void Addresses_AreSorted(string address, string kind) =>
        Assert.Equal(kind, AddressClass.Of(IPAddress.Parse(address)).ToString());

    [Property(MaxTest = 1000)]
    public void EveryFormOfAnIPv4Address_CountsAsThatAddress(uint number)
    {
        var address = new IPAddress(number);
        var four = address.GetAddressBytes();
        var kind = AddressClass.Of(address);
        Assert.Equal(kind, AddressClass.Of(address.MapToIPv6()));
        Assert.Equal(kind, AddressClass.Of(new IPAddress([0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, .. four])));
        Assert.Equal(kind, AddressClass.Of(new IPAddress([0x20, 0x02, .. four, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])));
    }

    [Fact]
    public void Scope_DoesNotMakeAnotherAddress() =>
        Assert.Equal(IPAddress.Parse("fe80::1"), AddressClass.Canonical(IPAddress.Parse("fe80::1%3")));
}

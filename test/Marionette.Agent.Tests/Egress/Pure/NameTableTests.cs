using System.Net;
using System.Net.Sockets;
using Marionette.Agent.Egress.Names;

namespace Marionette.Agent.Tests.Egress.Pure;

public sealed class NameTableTests
{
    [Fact]
    public void Name_HasOneAddressOfEachFamily_AndIsFoundByBoth()
    {
        var table = new NameTable();
        var name = table.For("api.good.test");
        Assert.Same(name, table.For("api.good.test"));
        foreach (var family in new[] { AddressFamily.InterNetwork, AddressFamily.InterNetworkV6 })
        {
            var address = NameTable.Address(name, family);
            Assert.True(NameTable.IsOurs(address));
            Assert.Same(name, table.Find(address));
        }

        Assert.NotEqual(name.Number, table.For("b.good.test").Number);
    }

    [Theory]
    [InlineData("198.17.255.255", false)]
    [InlineData("198.18.0.0", true)]
    [InlineData("198.19.255.255", true)]
    [InlineData("198.20.0.0", false)]
    [InlineData("fd6d:6172:696f:1::1", true)]
    [InlineData("fd6d:6172:696f:1:1::1", true)]
    [InlineData("fd6d:6172:696f::1", false)]
    public void OurAddresses_AreKnown_WithOrWithoutAName(string address, bool ours)
    {
        var table = new NameTable();
        Assert.Equal(ours, NameTable.IsOurs(IPAddress.Parse(address)));
        Assert.Null(table.Find(IPAddress.Parse(address)));
        table.For("first.test");
        Assert.Equal(address == "fd6d:6172:696f:1::1", table.Find(IPAddress.Parse(address)) is not null);
    }

    [Fact]
    public void FullTable_ForgetsTheNameThatWasUnusedLongest_AndItsAddressIsNoOthers()
    {
        var table = new NameTable(capacity: 2);
        var first = table.For("first.test");
        var second = table.For("second.test");
        _ = table.Find(NameTable.Address(first, AddressFamily.InterNetwork));
        table.For("third.test");
        Assert.Same(first, table.Find(NameTable.Address(first, AddressFamily.InterNetwork)));
        Assert.Null(table.Find(NameTable.Address(second, AddressFamily.InterNetwork)));
        Assert.NotEqual(second.Number, table.For("fourth.test").Number);
    }

    [Fact]
    public void Addresses_ComeRound_WithoutMeetingANameThatHasOne()
    {
        var table = new NameTable(capacity: 3);
        var kept = table.For("kept.test");
        for (var i = 0; i < NameTable.Numbers + 10; i++)
        {
            Assert.NotEqual(kept.Number, table.For($"n{i}.test").Number);
            Assert.Same(kept, table.Find(NameTable.Address(kept, AddressFamily.InterNetworkV6)));
        }
    }

    [Fact]
    public void ResolvConf_GivesServers_AndSkipsTheRest()
    {
        var servers = ResolvConf.Parse(
        [
            "# nameserver 9.9.9.9", "nameserver 1.1.1.1", "nameserver\t2606:4700::1111 # second", "search good.test", "nameserver bad",
            "nameserver 1.0.0.1", "nameserver 8.8.8.8",
        ]);
        Assert.Equal(["1.1.1.1:53", "[2606:4700::1111]:53", "1.0.0.1:53"], servers.Select(server => server.ToString()));
    }
}

using Marionette.Gateway.Rest;

namespace Marionette.Gateway.Tests.Rest;

public sealed class NetworkTargetTests
{
    [Theory]
    [InlineData("api.example.com")]
    [InlineData("api.example.com:443")]
    [InlineData("*.example.com")]
    [InlineData("*.example.com:8443")]
    [InlineData("10.1.2.3")]
    [InlineData("10.1.2.3:5432")]
    [InlineData("10.0.0.0/8")]
    [InlineData("10.1.0.0/16:5432")]
    [InlineData("fd00::/8")]
    [InlineData("[fd00:1::/32]:443")]
    [InlineData("fd00::1")]
    [InlineData("[fd00::1]:443")]
    [InlineData("xn--bcher-kva.example")]
    [InlineData("localhost")]
    public void Target_OfAKnownForm_IsTaken(string text) => Assert.True(NetworkTargets.IsTarget(text));

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("*")]
    [InlineData("*.")]
    [InlineData("a b")]
    [InlineData("a..b")]
    [InlineData("https://api.example.com")]
    [InlineData("api.example.com/path")]
    [InlineData("api.example.com:0")]
    [InlineData("api.example.com:70000")]
    [InlineData("api.example.com:+443")]
    [InlineData("a*.example.com")]
    [InlineData("*.10.0.0.1")]
    [InlineData("10.0.0.0/33")]
    [InlineData("1.2.3")]
    [InlineData("0x7f.1")]
    [InlineData("010.0.0.1")]
    [InlineData("2130706433")]
    [InlineData("evil.example\0.good.example")]
    [InlineData("bücher.example")]
    [InlineData("[fd00::1")]
    [InlineData("[10.0.0.1]:443")]
    [InlineData("fe80::1%eth0")]
    [InlineData("010.0.0.0/8")]
    [InlineData("10.0.0.0/+8")]
    [InlineData("10.0.0.0/8:0")]
    [InlineData("fd00::/129")]
    public void Target_ThatMayBeReadInTwoWays_IsRefused(string? text) => Assert.False(NetworkTargets.IsTarget(text));
}

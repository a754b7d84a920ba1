using Marionette.Pools;

namespace Marionette.Machines.Tests.Pools;

/// <summary>A pool's tokens over time.</summary>
public sealed class JoinTokensTests
{
    private static readonly DateTimeOffset Now = DateTimeOffset.UnixEpoch.AddYears(50);

    [Fact]
    public void AToken_IsForMaxHosts_AndTheSameHostCountsOnce()
    {
        var (pool, made) = JoinTokens.Create(new PoolRecord(), new CreateJoinToken("ci", ["b", "a", "a"], null, 2), Now);
        Assert.StartsWith("mj_", made.Token, StringComparison.Ordinal);
        Assert.Equal(46, made.Token.Length);
        Assert.Equal(["a", "b"], made.View.Tenants);
        for (var i = 0; i < 3; i++) (pool, _) = JoinTokens.Redeem(pool, "host_1", made.Token, Now);
        (pool, _) = JoinTokens.Redeem(pool, "host_2", made.Token, Now);
        Assert.Equal(2, pool.Tokens[0].Hosts);
        Assert.Equal(FaultCode.TokenRefused, Assert.Throws<MarionetteException>(() => JoinTokens.Redeem(pool, "host_3", made.Token, Now)).Code);
        // Who joined before the token ended may finish its hello afterwards.
        (pool, _) = JoinTokens.Revoke(pool, made.View.Id, Now);
        Assert.Equal(["a", "b"], JoinTokens.Redeem(pool, "host_1", made.Token, Now).Tenants);
    }

    [Fact]
    public void TokensThatAreOver_AreShownForAMonth_AndCountNoMore()
    {
        var pool = new PoolRecord();
        for (var i = 0; i < 100; i++) (pool, _) = JoinTokens.Create(pool, new CreateJoinToken($"t{i}", [], Now.AddHours(1), 0), Now);
        Assert.Equal(FaultCode.Conflict, Assert.Throws<MarionetteException>(() => JoinTokens.Create(pool, new CreateJoinToken("one more", [], null, 0), Now)).Code);
        (pool, _) = JoinTokens.Create(pool, new CreateJoinToken("later", [], null, 0), Now.AddHours(2));
        Assert.Equal(101, JoinTokens.List(pool, Now.AddDays(29)).Length);
        Assert.Equal(["later"], JoinTokens.List(pool, Now.AddDays(31)).Select(token => token.Name));
        Assert.Equal(FaultCode.NotFound, Assert.Throws<MarionetteException>(() => JoinTokens.Revoke(pool, "jtok_x", Now)).Code);
    }
}

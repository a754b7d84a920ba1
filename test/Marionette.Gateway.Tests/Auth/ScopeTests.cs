using Marionette.Gateway.Auth;

namespace Marionette.Gateway.Tests.Auth;

public sealed class ScopeTests
{
    [Theory]
    [InlineData("tasks:read", "tasks:read", true)]
    [InlineData("tasks:read", "tasks:write", false)]
    [InlineData("tasks:*", "tasks:write", true)]
    [InlineData("tasks:*", "tunnels:write", false)]
    [InlineData("*", "keys:write", true)]
    [InlineData("*", "operator", false)]
    [InlineData("operator", "operator", true)]
    [InlineData("operator", "tasks:read", false)]
    [InlineData("task:*", "tasks:read", false)]
    public void Scopes_Needed_CoveredOrNot(string has, string needed, bool covered) => Assert.Equal(covered, ScopeRules.Covers([has], needed));

    [Theory]
    [InlineData("*", true)]
    [InlineData("operator", true)]
    [InlineData("scheduled-tasks:*", true)]
    [InlineData("tasks:delete", false)]
    [InlineData("nothing:read", false)]
    [InlineData("tasks", false)]
    [InlineData("", false)]
    public void Scope_Name_KnownOrNot(string scope, bool known) => Assert.Equal(known, ScopeRules.IsKnown(scope));

    [Fact]
    public void Token_New_IsShapedAndDifferent()
    {
        var (a, b) = (ApiToken.New(), ApiToken.New());
        Assert.True(ApiToken.IsShaped(a));
        Assert.NotEqual(a, b);
        Assert.Equal(46, a.Length);
        Assert.False(ApiToken.IsShaped(a.AsSpan(0, 45)));
        Assert.False(ApiToken.IsShaped(string.Concat("mk_", new string('A', 42), "="))); // a valid encoding of fewer bytes, padded
        Assert.False(ApiToken.IsShaped(string.Concat("rt_", a.AsSpan(3))));
    }
}

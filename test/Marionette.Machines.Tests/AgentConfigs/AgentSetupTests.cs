using System.Collections.Immutable;
using System.Text;
using Marionette.AgentConfigs;
using Marionette.Sessions;

namespace Marionette.Machines.Tests.AgentConfigs;

public sealed class AgentSetupTests
{
    private static readonly SessionView Session = new() { Id = "sess_1", Agent = "claude", WorkspaceId = "ws_1" };

    private static readonly AgentConfigRecord Config = new()
    {
        Id = "acfg_1", Agent = "claude", BaseUrl = "https://team.example", Extra = """{"a":1,"b":1,"c":1}""", Credential = new SealedSecrets("k", [1]),
        Env = new SealedSecrets("k", [2]), Options = new SealedSecrets("k", [3]),
    };

    [Fact]
    public void WithoutConfig_TheSessionsOwn()
    {
        var setup = AgentSetup.Of(Session with { BaseUrl = "https://own.example" }, Own("sk-own"), null, Open);
        Assert.Equal(("https://own.example", "sk-own", "own"), (setup.BaseUrl, setup.ApiKey, setup.Env["A"]));
        Assert.Null(AgentSetup.Of(Session, null, null, Open).ApiKey);
    }

    [Fact]
    public void WithConfig_FillsWhatTheSessionLeavesOpen()
    {
        var setup = AgentSetup.Of(Session, null, Config, Open);
        Assert.Equal(("https://team.example", "sk-team"), (setup.BaseUrl, setup.ApiKey));
        Assert.Equal("team", setup.Env["A"]);
        Assert.Equal("""{"a":1,"b":2,"c":1}""", Encoding.UTF8.GetString(setup.Options!));
    }

    [Fact]
    public void WithBoth_TheSessionGoesBefore_MemberByMember()
    {
        var setup = AgentSetup.Of(Session, Own("sk-own") with { Options = """{"c":3,"d":3}"""u8.ToArray() }, Config, Open);
        Assert.Equal("sk-own", setup.ApiKey);
        Assert.Equal(("own", "team"), (setup.Env["A"], setup.Env["B"]));
        Assert.Equal("""{"a":1,"b":2,"c":3,"d":3}""", Encoding.UTF8.GetString(setup.Options!));
    }

    [Fact]
    public void StoredKey_GoesToItsOwnAddressAlone()
    {
        Assert.Null(AgentSetup.Of(Session with { BaseUrl = "https://evil.example" }, null, Config, Open).ApiKey);
        Assert.Equal("sk-team", AgentSetup.Of(Session with { BaseUrl = Config.BaseUrl }, null, Config, Open).ApiKey);
    }

    [Fact]
    public void NoText_ShowsTheSecrets() => Assert.Equal("AgentSetup", AgentSetup.Of(Session, Own("sk-own"), Config, Open).ToString());

    private static SessionSecrets Own(string key) => new(key, ImmutableDictionary<string, string>.Empty.Add("A", "own"));

    private static SessionSecrets Open(SealedSecrets box, string purpose) => (box.Box[0], purpose) switch
    {
        (1, AgentConfigSecrets.Credential) => new SessionSecrets("sk-team", ImmutableDictionary<string, string>.Empty),
        (2, AgentConfigSecrets.Env) => new SessionSecrets(null, ImmutableDictionary<string, string>.Empty.Add("A", "team").Add("B", "team")),
        (3, AgentConfigSecrets.Options) => new SessionSecrets(null, ImmutableDictionary<string, string>.Empty, """{"b":2}"""u8.ToArray()),
        _ => throw new InvalidOperationException("The box was opened for another purpose."),
    };
}

using System.Text.Json.Nodes;
using Marionette.Cli.Tests.Support;

namespace Marionette.Cli.Tests;

/// <summary>Pools, join tokens and hosts: what the command lines become on the wire, and what people are shown.</summary>
public sealed class PoolRequestTests : IAsyncLifetime
{
    private const string Pools = """
        {"items":[{"name":"lab","hosts":0,"online":0,"runners":0,"cpus":0,"cpus_held":0,"memory_mib":0,"memory_held_mib":0,"one_tenant_per_host":false},
                  {"name":"metal","hosts":3,"online":2,"runners":5,"cpus":48,"cpus_held":10.5,"memory_mib":98304,"memory_held_mib":20480,"one_tenant_per_host":true}]}
        """;

    private const string Host = """
        {"id":"host_1","pool":"metal","name":"rack-7","status":"online","draining":true,"taint":"disk errors","tenants":[],"labels":{"zone":"a"},"version":"1.4.0",
         "system":"Debian GNU/Linux 12","cpus":16,"memory_mib":32768,"disk_mib":102400,"runners":2,"cpus_held":4,"memory_held_mib":8192,"disk_held_mib":20480,
         "load":{"cpu":0.254,"memory_used_mib":9000,"disk_free_mib":51200},
         "sandboxes":[{"kind":"runsc","works":false,"detail":"no cgroup","limits":[],"egress":false,"pause":false},
                      {"kind":"bwrap","works":true,"limits":["cpu","memory"],"egress":true,"pause":true}],
         "agents":[{"kind":"claude","program":"claude","path":"/usr/bin/claude","version":"2.1.0"}],"workspaces":["ws_1"],
         "last_seen_at":"2026-11-23T11:59:58Z","created_at":"2026-11-23T11:59:48Z"}
        """;

    private FakeServer server = null!;

    public async ValueTask InitializeAsync() => server = await FakeServer.StartAsync();

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Theory]
    [InlineData("pools")]
    [InlineData("pools list")]
    [InlineData("pool ls")]
    public async Task Pools_List_ShowsWhatTheyHave(string line)
    {
        server.On("GET /api/v1/pools", Pools);
        Assert.Equal(new Ran(0, """
            NAME   HOSTS          RUNNERS  CPUS        MEMORY
            lab    0 of 0 online  0        0 of 0      0 MiB of 0 MiB
            metal  2 of 3 online  5        10.5 of 48  20 GiB of 96 GiB

            """, ""), await Support.Cli.For(server).RunAsync(line.Split(' ')));
    }

    [Fact]
    public async Task Pools_Show_UnknownPool_SaysSo()
    {
        server.OnProblem("GET /api/v1/pools/nope", 404, "not_found", "There is no such pool.");
        var ran = await Support.Cli.For(server).RunAsync("pools", "show", "nope");
        Assert.Equal((1, ""), (ran.Code, ran.Out));
        Assert.StartsWith("marionette: There is no such pool.", ran.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TokensCreate_EveryOption_IsSentUnderItsName_AndTheJoinCommandIsShown()
    {
        server.On("POST /api/v1/pools/metal/tokens", """{"token":{"id":"jtok_1","name":"rack 7"},"raw_token":"mj_secret","grpc_port":7443}""", 201);
        var ran = await Support.Cli.For(server).RunAsync(
            "pools", "tokens", "create", "metal", "--name", "rack 7", "--tenants", "a,b", "--expires", "2027-01-31T00:00:00Z", "--max-hosts", "4", "--idempotency-key", "once");
        Assert.Equal(0, ran.Code);
        var request = Assert.Single(server.Requests);
        Assert.Equal("once", request.Headers["Idempotency-Key"]);
        Same("""{"name":"rack 7","tenants":["a","b"],"expires_at":"2027-01-31T00:00:00Z","max_hosts":4}""", request.Body);
        Assert.Equal("ID:    jtok_1\nName:  rack 7\nToken: mj_secret\n", ran.Out);
        Assert.Equal("""
            Keep it now: it is not stored and cannot be shown again. Put it into a file on the host, then start there:
              marionette-agent host --server http://127.0.0.1:7443 --pool metal --token-file FILE

            """, ran.Error);
    }

    [Fact]
    public async Task TokensCreate_Repeated_SaysThatItIsNotShownAgain()
    {
        server.On("POST /api/v1/pools/metal/tokens", """{"token":{"id":"jtok_1","name":"n"}}""", 201);
        var ran = await Support.Cli.For(server).RunAsync("pools", "tokens", "create", "metal", "--name", "n", "--idempotency-key", "once");
        Assert.Equal(new Ran(0, "ID:   jtok_1\nName: n\n", "It was made before and cannot be shown again.\n"), ran);
    }

    [Fact]
    public async Task TokensList_Table_TellsWhichStillWork()
    {
        server.On("GET /api/v1/pools/metal/tokens", """
            {"items":[{"id":"jtok_3","name":"c","tenants":[],"max_hosts":0,"hosts":2,"created_at":"2026-11-23T11:59:48Z"},
                      {"id":"jtok_2","name":"b","tenants":["x","y"],"max_hosts":4,"hosts":4,"created_at":"2026-11-23T11:59:48Z","expires_at":"2026-11-23T11:59:50Z"},
                      {"id":"jtok_1","name":"a","tenants":[],"max_hosts":0,"hosts":0,"created_at":"2026-11-23T11:59:48Z","revoked_at":"2026-11-23T11:59:50Z"}]}
            """);
        Assert.Equal("""
            ID      NAME  HOSTS   TENANTS  AGE  STATE
            jtok_3  c     2       all      12s  valid
            jtok_2  b     4 of 4  x,y      12s  expired
            jtok_1  a     0       all      12s  revoked

            """, (await Support.Cli.For(server).RunAsync("pools", "tokens", "list", "metal")).Out);
        Assert.Equal("/api/v1/pools/metal/tokens?limit=50", Assert.Single(server.Requests).Target);
    }

    [Fact]
    public async Task TokensRevoke_IsADelete()
    {
        server.On("DELETE /api/v1/pools/metal/tokens/jtok_1", """{"id":"jtok_1"}""");
        Assert.Equal(new Ran(0, "jtok_1 is revoked.\n", ""), await Support.Cli.For(server).RunAsync("pools", "tokens", "revoke", "metal", "jtok_1"));
    }

    [Fact]
    public async Task HostsList_WithoutAPool_IsThoseOfAll_PageByPage()
    {
        server.On("GET /api/v1/pools", Pools).On("GET /api/v1/pools/lab/hosts", """{"items":[]}""").OnEach(
            "GET /api/v1/pools/metal/hosts",
            context => FakeServer.WriteAsync(context, $$"""{"items":[{{Host}}],"has_more":true,"next_cursor":"c1"}"""),
            context => FakeServer.WriteAsync(context, $$"""{"items":[{{Host.Replace("host_1", "host_0", StringComparison.Ordinal)}}],"has_more":false}"""));
        Assert.Equal("""
            ID      POOL   NAME    STATUS                       RUNNERS  CPUS     MEMORY           SEEN
            host_1  metal  rack-7  online · draining · tainted  2        4 of 16  8 GiB of 32 GiB  2s
            host_0  metal  rack-7  online · draining · tainted  2        4 of 16  8 GiB of 32 GiB  2s

            """, (await Support.Cli.For(server).RunAsync("hosts", "list")).Out);
        Assert.Equal("/api/v1/pools/metal/hosts?limit=200&cursor=c1", server.Requests[^1].Target);
    }

    [Fact]
    public async Task HostsShow_FindsThePool_AndTellsWhatWorksThere()
    {
        server.On("GET /api/v1/pools", Pools).On("GET /api/v1/pools/metal/hosts/host_1", Host).OnProblem("GET /api/v1/pools/lab/hosts/host_1", 404, "not_found", "There is no such host.");
        Assert.Equal("""
            ID:         host_1
            Name:       rack-7
            Pool:       metal
            Status:     online · draining · tainted
            Taint:      disk errors
            Tenants:    all
            Labels:     zone=a
            System:     Debian GNU/Linux 12
            Agent:      1.4.0
            Runners:    2
            CPUs:       4 of 16 held
            Memory:     8 GiB of 32 GiB held
            Disk:       20 GiB of 100 GiB held
            Load:       25 % of the cores, 9000 MiB memory used, 50 GiB disk free
            Sandboxes:  runsc does not work: no cgroup; bwrap: limits cpu memory · network policy · pause
            Programs:   claude 2.1.0
            Workspaces: ws_1
            Joined:     12s ago
            Last seen:  2s ago

            """, (await Support.Cli.For(server).RunAsync("hosts", "show", "host_1")).Out);
    }

    [Theory]
    [InlineData("hosts drain host_1", """{"draining":true}""", "host_1 takes no new runners.\n")]
    [InlineData("hosts undrain host_1", """{"draining":false}""", "host_1 is not drained any more.\n")]
    [InlineData("hosts taint host_1 --reason disk", """{"taint":"disk"}""", "host_1 is tainted.\n")]
    [InlineData("hosts untaint host_1", """{"taint":null}""", "host_1 is not tainted any more.\n")]
    public async Task Hosts_Change_IsAPatchOfOneMember(string line, string body, string said)
    {
        server.On("GET /api/v1/pools/metal/hosts/host_1", Host).On("PATCH /api/v1/pools/metal/hosts/host_1", Host);
        Assert.Equal(new Ran(0, said, ""), await Support.Cli.For(server).RunAsync([.. line.Split(' '), "--pool", "metal"]));
        Same(body, Assert.Single(server.To("PATCH /api/v1/pools/metal/hosts/host_1")).Body);
    }

    [Theory]
    [InlineData("hosts remove host_1", "")]
    [InlineData("hosts remove host_1 --force", "?force=true")]
    public async Task Hosts_Remove_ForcesOnlyWhenToldTo(string line, string query)
    {
        server.On("GET /api/v1/pools/metal/hosts/host_1", Host).On("DELETE /api/v1/pools/metal/hosts/host_1", "", 204);
        Assert.Equal(new Ran(0, "host_1 is removed.\n", ""), await Support.Cli.For(server).RunAsync([.. line.Split(' '), "--pool", "metal"]));
        Assert.Equal($"/api/v1/pools/metal/hosts/host_1{query}", server.Requests[^1].Target);
    }

    [Fact]
    public async Task Hosts_Remove_WithRunners_SaysWhatTheServerSays()
    {
        server.On("GET /api/v1/pools/metal/hosts/host_1", Host).OnProblem("DELETE /api/v1/pools/metal/hosts/host_1", 409, "conflict", "It still has 2 runners.");
        Assert.Equal(new Ran(1, "", "marionette: It still has 2 runners.\n"), await Support.Cli.For(server).RunAsync("hosts", "remove", "host_1", "--pool", "metal"));
    }

    [Fact]
    public async Task Hosts_InNoPool_AreNotFound()
    {
        server.On("GET /api/v1/pools", Pools);
        foreach (var pool in new[] { "lab", "metal" }) server.OnProblem($"GET /api/v1/pools/{pool}/hosts/host_9", 404, "not_found", "There is no such host.");
        var ran = await Support.Cli.For(server).RunAsync("hosts", "drain", "host_9");
        Assert.Equal((1, ""), (ran.Code, ran.Out));
        Assert.StartsWith("marionette: There is no such host.", ran.Error, StringComparison.Ordinal);
        Assert.Equal(3, server.Requests.Count);
    }

    [Theory]
    [InlineData("hosts taint host_1", "--reason")]
    [InlineData("hosts drain", "HOST")]
    [InlineData("pools tokens create metal", "--name")]
    public async Task Line_WithoutWhatItNeeds_IsWrongUsage(string line, string missing)
    {
        var ran = await Support.Cli.For(server).RunAsync(line.Split(' '));
        Assert.Equal(2, ran.Code);
        Assert.Contains(missing, ran.Error, StringComparison.OrdinalIgnoreCase);
        Assert.Empty(server.Requests);
    }

    private static void Same(string expected, string actual) =>
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), JsonNode.Parse(actual)), $"expected {JsonNode.Parse(expected)!.ToJsonString()}\nactual   {actual}");
}

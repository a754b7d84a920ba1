using System.Net;
using System.Text;
using System.Text.Json;
using Marionette.Gateway.Tests.Support;
using Marionette.TestSupport;

namespace Marionette.Gateway.Tests.Http;

/// <summary>Pools, hosts and join tokens over HTTP.</summary>
public sealed class PoolApiTests(PostgresFixture postgres) : IAsyncLifetime
{
    private const string Host = "/api/v1/pools/metal/hosts", Tokens = "/api/v1/pools/metal/tokens";
    private static readonly DateTimeOffset Made = new(2026, 11, 23, 9, 0, 0, TimeSpan.Zero);

    private GatewayHost host = null!;

    public async ValueTask InitializeAsync() => host = await GatewayHost.StartAsync(postgres);

    public ValueTask DisposeAsync() => host.DisposeAsync();

    [Fact]
    public async Task EveryRoute_KeyWithoutOperator_Is403()
    {
        using var other = await host.ClientAsync("default", "*");
        var id = host.Cluster.Pools.AddHost("metal", Made).Id;
        (string Method, string Path)[] routes =
        [
            ("GET", "/api/v1/pools"), ("GET", "/api/v1/pools/metal"), ("GET", Tokens), ("POST", Tokens), ("DELETE", $"{Tokens}/jtok_0VblLnwqr5JQkdmN"), ("GET", Host),
            ("GET", $"{Host}/{id}"), ("PATCH", $"{Host}/{id}"), ("DELETE", $"{Host}/{id}"),
        ];
        foreach (var (method, path) in routes)
        {
            var (status, body) = await SendAsync(other, method, path, method is "POST" or "PATCH" ? "{}" : null);
            Assert.Equal(HttpStatusCode.Forbidden, status);
            Assert.Equal("This needs the scope operator.", body.GetProperty("detail").GetString());
        }

        Assert.Single(host.Cluster.Pools.Hosts);
    }

    [Theory]
    [InlineData("GET", "/api/v1/pools/docker")]
    [InlineData("GET", "/api/v1/pools/nothing")]
    [InlineData("GET", "/api/v1/pools/NOT%20ONE")]
    [InlineData("GET", "/api/v1/pools/nothing/tokens")]
    [InlineData("POST", "/api/v1/pools/nothing/tokens")]
    [InlineData("DELETE", "/api/v1/pools/nothing/tokens/jtok_0VblLnwqr5JQkdmN")]
    [InlineData("GET", "/api/v1/pools/nothing/hosts")]
    [InlineData("GET", "/api/v1/pools/nothing/hosts/host_0VblLnwqr5JQkdmN")]
    [InlineData("PATCH", "/api/v1/pools/nothing/hosts/host_0VblLnwqr5JQkdmN")]
    [InlineData("DELETE", "/api/v1/pools/nothing/hosts/host_0VblLnwqr5JQkdmN")]
    public async Task UnknownPool_Is404(string method, string path)
    {
        var (status, body) = await SendAsync(host.Operator, method, path, method switch { "POST" => """{"name":"x"}""", "PATCH" => "{}", _ => null });
        Assert.Equal(HttpStatusCode.NotFound, status);
        Assert.Equal("There is no such pool.", body.GetProperty("detail").GetString());
    }

    [Fact]
    public async Task Pools_AreThePoolsAlone()
    {
        var (_, list) = await SendAsync(host.Operator, "GET", "/api/v1/pools");
        Assert.Equal(["metal"], list.GetProperty("items").EnumerateArray().Select(pool => pool.GetProperty("name").GetString()));
        Assert.Equal((1, false), (list.GetProperty("total_count").GetInt32(), list.GetProperty("has_more").GetBoolean()));
        var (_, one) = await SendAsync(host.Operator, "GET", "/api/v1/pools/metal");
        Assert.Equal((8192, true), (one.GetProperty("memory_held_mib").GetInt32(), one.GetProperty("one_tenant_per_host").GetBoolean()));
    }

    [Fact]
    public async Task Token_IsShownOnce_AndARepeatMakesNoOther()
    {
        const string Body = """{"name":"rack","tenants":["a","b","a"],"max_hosts":4,"expires_at":"2999-01-01T00:00:00+02:00"}""";
        using var first = await GatewayHost.PostAsync(host.Operator, Tokens, Body, "k");
        Assert.Equal(HttpStatusCode.Created, first.StatusCode);
        Assert.True(first.Headers.CacheControl!.NoStore);
        var made = await GatewayHost.JsonAsync(first);
        var id = made.GetProperty("token").GetProperty("id").GetString();
        Assert.Equal($"mj_{id}", made.GetProperty("raw_token").GetString());
        Assert.Equal(host.GrpcUrl.Port, made.GetProperty("grpc_port").GetInt32());
        using var second = await GatewayHost.PostAsync(host.Operator, Tokens, Body, "k");
        Assert.Equal(HttpStatusCode.Created, second.StatusCode);
        var repeat = await GatewayHost.JsonAsync(second);
        Assert.Equal(id, repeat.GetProperty("token").GetProperty("id").GetString());
        Assert.False(repeat.TryGetProperty("raw_token", out _));

        var wish = Assert.Single(host.Cluster.Pools.Wishes);
        Assert.Equal(("rack", 4, TimeSpan.Zero), (wish.Name, wish.MaxHosts, wish.ExpiresAt!.Value.Offset));
        Assert.Equal(["a", "b"], wish.Tenants);
        var list = await host.Operator.GetStringAsync(Tokens);
        Assert.Contains(id!, list, StringComparison.Ordinal);
        Assert.DoesNotContain("mj_", list, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Token_OutcomeUnknown_IsNotMadeAgainUnderTheSameKey()
    {
        host.Cluster.Pools.Fault = method => method == "CreateTokenAsync" ? new TimeoutException() : null;
        using var first = await GatewayHost.PostAsync(host.Operator, Tokens, """{"name":"x"}""", "k");
        Assert.Equal(HttpStatusCode.GatewayTimeout, first.StatusCode);
        host.Cluster.Pools.Fault = _ => null;
        using var second = await GatewayHost.PostAsync(host.Operator, Tokens, """{"name":"x"}""", "k");
        Assert.Equal(HttpStatusCode.Conflict, second.StatusCode);
        Assert.Empty(host.Cluster.Pools.Wishes);
    }

    [Fact]
    public async Task Token_Refused_FreesTheKey()
    {
        host.Cluster.Pools.Fault = method => method == "CreateTokenAsync" ? new MarionetteException(FaultCode.Conflict, "Too many tokens.") : null;
        using var first = await GatewayHost.PostAsync(host.Operator, Tokens, """{"name":"x"}""", "k");
        Assert.Equal(HttpStatusCode.Conflict, first.StatusCode);
        host.Cluster.Pools.Fault = _ => null;
        using var second = await GatewayHost.PostAsync(host.Operator, Tokens, """{"name":"x"}""", "k");
        Assert.Equal(HttpStatusCode.Created, second.StatusCode);
    }

    [Fact]
    public async Task Token_WrongFields_AreAllTold()
    {
        var (status, body) = await SendAsync(
            host.Operator, "POST", Tokens, $$"""{"name":"{{new string('n', 81)}}","tenants":["Not One",null],"expires_at":"2020-01-01T00:00:00Z","max_hosts":-1}""");
        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Equal(["expires_at", "max_hosts", "name", "tenants", "tenants"], Fields(body));
        Assert.Empty(host.Cluster.Pools.Wishes);
    }

    [Fact]
    public async Task Token_Revoked_AnswersTheView()
    {
        using var made = await GatewayHost.PostAsync(host.Operator, Tokens, """{"name":"x"}""");
        var id = (await GatewayHost.JsonAsync(made)).GetProperty("token").GetProperty("id").GetString();
        var (status, body) = await SendAsync(host.Operator, "DELETE", $"{Tokens}/{id}");
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal(id, body.GetProperty("id").GetString());
        Assert.True(body.TryGetProperty("revoked_at", out _));
        foreach (var other in new[] { "jtok_0VblLnwqr5JQkdmN", "x", "host_0VblLnwqr5JQkdmN" })
            Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(host.Operator, "DELETE", $"{Tokens}/{other}")).Status);
    }

    [Fact]
    public async Task Hosts_ArePaged_NewestFirst()
    {
        string[] ids = [.. Enumerable.Range(0, 5).Select(i => host.Cluster.Pools.AddHost("metal", Made.AddSeconds(i)).Id).Reverse()];
        var seen = new List<string>();
        for (var cursor = ""; ;)
        {
            var (_, page) = await SendAsync(host.Operator, "GET", $"{Host}?limit=2{(cursor.Length > 0 ? $"&cursor={cursor}" : "")}");
            Assert.Equal(5, page.GetProperty("total_count").GetInt32());
            seen.AddRange(page.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("id").GetString()!));
            if (!page.GetProperty("has_more").GetBoolean()) break;
            cursor = page.GetProperty("next_cursor").GetString()!;
        }

        Assert.Equal(ids, seen);
        Assert.Equal(HttpStatusCode.BadRequest, (await SendAsync(host.Operator, "GET", $"{Host}?limit=0")).Status);
    }

    [Fact]
    public async Task Host_Change_TouchesWhatItNamesAlone()
    {
        var id = host.Cluster.Pools.AddHost("metal", Made).Id;
        var (_, tainted) = await SendAsync(host.Operator, "PATCH", $"{Host}/{id}", """{"taint":"disk errors"}""");
        Assert.Equal(("disk errors", false), (tainted.GetProperty("taint").GetString(), tainted.GetProperty("draining").GetBoolean()));
        var (_, drained) = await SendAsync(host.Operator, "PATCH", $"{Host}/{id}", """{"draining":true}""");
        Assert.Equal(("disk errors", true), (drained.GetProperty("taint").GetString(), drained.GetProperty("draining").GetBoolean()));
        var (_, untainted) = await SendAsync(host.Operator, "PATCH", $"{Host}/{id}", """{"taint":null}""");
        Assert.False(untainted.TryGetProperty("taint", out _));
        Assert.True(untainted.GetProperty("draining").GetBoolean());
        var (_, same) = await SendAsync(host.Operator, "GET", $"{Host}/{id}");
        Assert.Equal(untainted.GetRawText(), same.GetRawText());
        Assert.Equal("bwrap", same.GetProperty("sandboxes")[0].GetProperty("kind").GetString());
    }

    [Theory]
    [InlineData("""{"taint":7}""")]
    [InlineData("""{"draining":"yes"}""")]
    [InlineData("""{"names_taint":true}""")]
    [InlineData("""{"taint":"a\u0000b"}""")]
    [InlineData("[]")]
    public async Task Host_BadChange_Is400(string body)
    {
        var id = host.Cluster.Pools.AddHost("metal", Made).Id;
        Assert.Equal(HttpStatusCode.BadRequest, (await SendAsync(host.Operator, "PATCH", $"{Host}/{id}", body)).Status);
        Assert.False(host.Cluster.Pools.Hosts.Single().Value.Draining);
    }

    [Fact]
    public async Task Host_WithRunners_IsRemovedOnlyByForce()
    {
        var added = host.Cluster.Pools.AddHost("metal", Made);
        host.Cluster.Pools.Hosts[$"metal/{added.Id}"] = added with { Runners = 2 };
        Assert.Equal(HttpStatusCode.BadRequest, (await SendAsync(host.Operator, "DELETE", $"{Host}/{added.Id}?force=maybe")).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await SendAsync(host.Operator, "DELETE", $"{Host}/{added.Id}")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await SendAsync(host.Operator, "DELETE", $"{Host}/{added.Id}?force=true")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(host.Operator, "GET", $"{Host}/{added.Id}")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(host.Operator, "DELETE", $"{Host}/{added.Id}")).Status);
    }

    [Fact]
    public async Task Profile_HostLabels_AreChecked()
    {
        var many = string.Join(',', Enumerable.Range(0, 17).Select(i => $"\"k{i}\":\"v\""));
        foreach (var labels in new[] { "{" + many + "}", """{"Upper":"x"}""", """{"":"x"}""", """{"a":null}""", $$"""{"a":"{{new string('v', 64)}}"}""" })
        {
            var (status, body) = await SendAsync(host.Operator, "POST", "/api/v1/profiles", $$"""{"name":"p","host_labels":{{labels}}}""");
            Assert.Equal(HttpStatusCode.BadRequest, status);
            Assert.StartsWith("host_labels", Assert.Single(Fields(body)), StringComparison.Ordinal);
        }
    }

    private static string[] Fields(JsonElement problem) =>
        [.. problem.GetProperty("errors").EnumerateArray().Select(error => error.GetProperty("field").GetString()!).Order(StringComparer.Ordinal)];

    private static async Task<(HttpStatusCode Status, JsonElement Body)> SendAsync(HttpClient client, string method, string path, string? body = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (body is not null) request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        using var answer = await client.SendAsync(request);
        return (answer.StatusCode, answer.StatusCode == HttpStatusCode.NoContent ? default : await GatewayHost.JsonAsync(answer));
    }
}

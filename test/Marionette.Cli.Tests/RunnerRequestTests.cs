using System.Text.Json.Nodes;
using Marionette.Cli.Tests.Support;

namespace Marionette.Cli.Tests;

/// <summary>Profiles, providers, runners and what a session may reach: what the command lines become on the wire, and what people are shown.</summary>
public sealed class RunnerRequestTests : IAsyncLifetime
{
    private const string Profile = """
        {"id":"prof_1","name":"big","provider":"docker","image":"node:22","cpus":4.5,"memory_mib":8192,"disk_mib":0,"pids":4096,"sandbox":"auto","env":{"A":"1"},
         "network_policy":"allow_list","allowed_hosts":["a.example:443"],"labels":{"team":"web"},"host_labels":{"zone":"a"},"created_at":"2026-11-23T11:59:48Z","updated_at":"2026-11-23T11:59:48Z"}
        """;

    private FakeServer server = null!;

    public async ValueTask InitializeAsync() => server = await FakeServer.StartAsync();

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task ProfilesCreate_EveryOption_IsSentUnderItsName()
    {
        server.On("POST /api/v1/profiles", Profile, 201);
        var ran = await Support.Cli.For(server, input: "npm ci\n").RunAsync("profiles", "create", "--name", "big", "--description", "d", "--provider", "docker", "--image", "node:22",
            "--cpus", "4.5", "--memory-mib", "8192", "--disk-mib", "0", "--pids", "4096", "--sandbox", "runsc", "--env", "A=1", "--init-script-file", "-", "--network-policy", "allow_list",
            "--allow-host", "a.example:443", "--allow-host", "10.0.0.0/8", "--labels", "team=web", "--host-label", "zone=a", "--host-labels", "gpu=yes,disk=ssd", "--idempotency-key", "once");
        Assert.True(ran.Code == 0, ran.Error);
        Assert.Equal("once", server.Requests[0].Headers["Idempotency-Key"]);
        Same("""
            {"name":"big","description":"d","provider":"docker","image":"node:22","cpus":4.5,"memory_mib":8192,"disk_mib":0,"pids":4096,"sandbox":"runsc","env":{"A":"1"},
             "init_script":"npm ci\n","network_policy":"allow_list","allowed_hosts":["a.example:443","10.0.0.0/8"],"labels":{"team":"web"},"host_labels":{"zone":"a","gpu":"yes","disk":"ssd"}}
            """, server.Requests[0].Body);
        Assert.Equal("""
            ID:          prof_1
            Name:        big
            Provider:    docker
            Image:       node:22
            Size:        4.5 CPU, 8 GiB memory, no limit of disk, 4096 processes
            Sandbox:     auto
            Environment: A=1
            Network:     allow_list · a.example:443
            Labels:      team=web
            Host labels: zone=a

            """, ran.Out);
    }

    [Theory]
    [InlineData("profiles update ../keys --cpus 1", "PATCH", "/api/v1/profiles/..%2Fkeys", """{"cpus":1}""")]
    [InlineData("profile update prof_1 --env '' --labels '' --allow-host '' --network-policy '' --provider ''", "PATCH", "/api/v1/profiles/prof_1",
        """{"provider":"","env":{},"network_policy":"","allowed_hosts":[],"labels":{}}""")]
    [InlineData("sessions update sess_1 --network-policy deny --allow-host ''", "PATCH", "/api/v1/sessions/sess_1", """{"network_policy":"deny","allowed_hosts":[]}""")]
    [InlineData("sessions change sess_1 --allow-host a.example,b.example:443", "PATCH", "/api/v1/sessions/sess_1", """{"allowed_hosts":["a.example","b.example:443"]}""")]
    [InlineData("sessions extend sess_1 12h", "POST", "/api/v1/sessions/sess_1/extend", """{"seconds":43200}""")]
    [InlineData("sessions extend sess_1 --until 2027-01-31T00:00:00Z", "POST", "/api/v1/sessions/sess_1/extend", """{"expires_at":"2027-01-31T00:00:00Z"}""")]
    [InlineData("sessions extend sess_1 --never", "POST", "/api/v1/sessions/sess_1/extend", """{"never":true}""")]
    [InlineData("sessions change sess_1 --suspend-strategy pause", "PATCH", "/api/v1/sessions/sess_1", """{"suspend_strategy":"pause"}""")]
    [InlineData("sessions change sess_1 --failover ask", "PATCH", "/api/v1/sessions/sess_1", """{"failover_policy":"ask"}""")]
    [InlineData("sessions create --agent claude --ttl 7d --failover never", "POST", "/api/v1/sessions", """{"agent":"claude","ttl_seconds":604800,"failover_policy":"never"}""")]
    [InlineData("sessions move ../keys docker", "PATCH", "/api/v1/sessions/..%2Fkeys", """{"provider":"docker"}""")]
    [InlineData("sessions allow ../keys api.example.com:443", "POST", "/api/v1/sessions/..%2Fkeys/network/allow", """{"host":"api.example.com:443"}""")]
    public async Task Changes_OneRequest_ToTheRightPlace(string line, string method, string target, string body)
    {
        server.On($"{method} {target}", """{"id":"x_1","network_policy":"allow_list","allowed_hosts":["a.example"]}""");
        var ran = await Support.Cli.For(server).RunAsync([.. line.Split(' ').Select(word => word == "''" ? "" : word)]);
        Assert.True(ran.Code == 0, ran.Error);
        var request = Assert.Single(server.Requests);
        Assert.Equal((method, target), (request.Method, request.Target));
        Same(body, request.Body);
        Assert.Matches("Network: +allow_list · a.example\n", ran.Out);
    }

    [Theory]
    [InlineData("profiles list --labels team=web --cursor c", "/api/v1/profiles?labels%5Bteam%5D=web&limit=50&cursor=c", "No profiles.\n")]
    [InlineData("runners ls --status online,lost --limit 5", "/api/v1/runners?status=online&status=lost&limit=5", "No runners.\n")]
    [InlineData("providers list", "/api/v1/providers", "No providers.\n")]
    public async Task Lists_Filters_BecomeTheQuery(string line, string target, string nothing)
    {
        server.On($"GET {target.Split('?')[0]}", """{"items":[]}""");
        Assert.Equal(new Ran(0, nothing, ""), await Support.Cli.For(server).RunAsync(line.Split(' ')));
        Assert.Equal(target, Assert.Single(server.Requests).Target);
    }

    [Fact]
    public async Task ProfilesDelete_InUse_SaysByWhom()
    {
        server.OnProblem("DELETE /api/v1/profiles/prof_1", 409, "conflict", "1 sessions that have not ended use it (sess_1, for one). End them first.");
        Assert.Equal(new Ran(1, "", "marionette: 1 sessions that have not ended use it (sess_1, for one). End them first.\n"), await Support.Cli.For(server).RunAsync("profiles", "delete", "prof_1"));
    }

    [Fact]
    public async Task ProvidersList_Table_TellsHowTheyAre_AndWideWhatTheyCan()
    {
        server.On("GET /api/v1/providers", """
            {"items":[
              {"name":"docker","isolation":"container","capabilities":["pause","egress"],"limits":["cpu","memory"],"runners":3,"starting":1,"queued":2,"warm":4,"max_runners":10,
               "trouble":"the engine does not answer","retry_at":"2026-11-23T12:00:09Z","reconcile":{"at":"2026-11-23T11:59:30Z","owned":7,"adopted":1,"removed":2}},
              {"name":"process","isolation":"none","capabilities":[],"limits":[],"runners":0,"starting":0,"queued":0,"warm":0,"max_runners":0}]}
            """);
        Assert.Equal("""
            NAME     ISOLATION  RUNNERS  STARTING  QUEUED  WARM  TROUBLE
            docker   container  3 of 10  1         2       4     the engine does not answer (tried again in 9 s)
            process  none       0        0         0       0     -

            """, (await Support.Cli.For(server).RunAsync("providers", "list")).Out);
        var wide = (await Support.Cli.For(server).RunAsync("providers", "list", "-o", "wide")).Out.Split('\n');
        Assert.EndsWith("TROUBLE                                          CAPABILITIES  LIMITS      RECONCILED", wide[0]);
        Assert.EndsWith("(tried again in 9 s)  pause egress  cpu memory  30s ago: 7 owned, 1 adopted, 2 removed", wide[1]);
        Assert.EndsWith("-        -             -           -", wide[2].Replace(new string(' ', 40), ""));
    }

    [Fact]
    public async Task RunnersGet_ShowsSizeNetworkAndStart()
    {
        server.On("GET /api/v1/runners/run_1", """
            {"id":"run_1","name":"","status":"online","provider":"docker","sandbox_mode":"container","hostname":"h","session_id":"sess_1","epoch":2,"labels":{},
             "shape":{"profile":"big","image":"node:22","cpus":0.5,"memory_mib":1000,"disk_mib":10240,"pids":64,"sandbox":"auto"},
             "network":{"policy":"allow_list","allowed_hosts":["a.example","api.anthropic.com:443"]},"start_phases_ms":{"connect":90,"image":5100},
             "agent_version":"1.0","created_at":"2026-11-23T11:59:48Z"}
            """);
        Assert.Equal("""
            ID:       run_1
            Status:   online
            Provider: docker
            Sandbox:  container
            Host:     h
            Session:  sess_1
            Epoch:    2
            Profile:  big
            Image:    node:22
            Size:     0.5 CPU, 1000 MiB memory, 10 GiB disk, 64 processes
            Network:  allow_list · a.example api.anthropic.com:443
            Start:    image 5.1 s, connect 90 ms
            Agent:    1.0
            Created:  12s ago

            """, (await Support.Cli.For(server).RunAsync("runners", "get", "run_1")).Out);
    }

    private static void Same(string expected, string actual) =>
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), JsonNode.Parse(actual)), $"expected {JsonNode.Parse(expected)!.ToJsonString()}\nactual   {actual}");
}

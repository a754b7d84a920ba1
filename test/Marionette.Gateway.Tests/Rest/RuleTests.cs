using System.Text;
using Marionette.Gateway.Auth;
using Marionette.Gateway.Json;
using Marionette.Gateway.Rest;
using Marionette.Gateway.Rest.Models;
using Marionette.Gateway.Secrets;
using Marionette.Sessions;

namespace Marionette.Gateway.Tests.Rest;

public sealed class RuleTests
{
    private static readonly SecretSealer Sealer = new(new MasterKey(new byte[32]));

    [Theory]
    [InlineData("""{}""", "agent")]
    [InlineData("""{"agent":"cursor"}""", "agent")]
    [InlineData("""{"agent":"claude","command":["x"]}""", "command")]
    [InlineData("""{"agent":"codex","command":["x"]}""", "command")]
    [InlineData("""{"agent":"acp","command":[]}""", "command")]
    [InlineData("""{"agent":"command"}""", "command")]
    [InlineData("""{"agent":"command","command":[]}""", "command")]
    [InlineData("""{"agent":"command","command":[""]}""", "command")]
    [InlineData("""{"agent":"command","command":["a",null]}""", "command")]
    [InlineData("""{"agent":"command","command":["a\u0000"]}""", "command")]
    [InlineData("""{"agent":"claude","name":"a\nb"}""", "name")]
    [InlineData("""{"agent":"claude","model":""}""", "model")]
    [InlineData("""{"agent":"claude","api_key":""}""", "api_key")]
    [InlineData("""{"agent":"claude","api_key":"a b"}""", "api_key")]
    [InlineData("""{"agent":"claude","base_url":"/x"}""", "base_url")]
    [InlineData("""{"agent":"claude","base_url":"ftp://x"}""", "base_url")]
    [InlineData("""{"agent":"claude","base_url":"http://u:p@x"}""", "base_url")]
    [InlineData("""{"agent":"claude","base_url":"http://u@x"}""", "base_url")]
    [InlineData("""{"agent":"claude","env":{"1A":"x"}}""", "env")]
    [InlineData("""{"agent":"claude","env":{"A-B":"x"}}""", "env")]
    [InlineData("""{"agent":"claude","env":{"PATH":"x"}}""", "env.PATH")]
    [InlineData("""{"agent":"claude","env":{"HOME":"x"}}""", "env.HOME")]
    [InlineData("""{"agent":"claude","env":{"MARIONETTE_TOKEN":"x"}}""", "env.MARIONETTE_TOKEN")]
    [InlineData("""{"agent":"claude","env":{"A":null}}""", "env.A")]
    [InlineData("""{"agent":"claude","labels":{"":"x"}}""", "labels")]
    [InlineData("""{"agent":"claude","labels":{"a":null}}""", "labels.a")]
    [InlineData("""{"agent":"claude","workspace_id":"ws_1"}""", "workspace_id")]
    [InlineData("""{"agent":"claude","profile_id":"../x"}""", "profile_id")]
    [InlineData("""{"agent":"claude","lifecycle_mode":"always_on"}""", "lifecycle_mode")]
    [InlineData("""{"agent":"claude","idle_timeout_seconds":0}""", "idle_timeout_seconds")]
    [InlineData("""{"agent":"claude","ttl_seconds":59}""", "ttl_seconds")]
    [InlineData("""{"agent":"claude","ttl_seconds":31536001}""", "ttl_seconds")]
    [InlineData("""{"agent":"claude","failover_policy":"later"}""", "failover_policy")]
    [InlineData("""{"agent":"claude","suspend_strategy":"freeze"}""", "suspend_strategy")]
    [InlineData("""{"agent":"claude","network_policy":"none"}""", "network_policy")]
    [InlineData("""{"agent":"claude","network_policy":"deny","allowed_hosts":["a.example"]}""", "allowed_hosts")]
    [InlineData("""{"agent":"claude","network_policy":"allow_list","allowed_hosts":["a b"]}""", "allowed_hosts[0]")]
    [InlineData("""{"agent":"claude","network_policy":"allow_list","allowed_hosts":["a","x\u0000.example"]}""", "allowed_hosts[1]")]
    [InlineData("""{"agent":"claude","permission_mode":"yolo"}""", "permission_mode")]
    [InlineData("""{"agent":"claude","permission_timeout_seconds":604801}""", "permission_timeout_seconds")]
    [InlineData("""{"agent":"claude","workspace_id":"ws_0VblLnwqr5JQkdmN","from":{"snapshot_id":"snap_1"}}""", "from")]
    [InlineData("""{"agent":"claude","from":{"git":{}}}""", "from.git.url")]
    [InlineData("""{"agent":"claude","from":{"git":{"url":"file:///etc"}}}""", "from.git.url")]
    [InlineData("""{"agent":"claude","from":{"git":{"url":"ext::sh -c x"}}}""", "from.git.url")]
    [InlineData("""{"agent":"claude","from":{"git":{"url":"https://u:p@h/r.git"}}}""", "from.git.url")]
    [InlineData("""{"agent":"claude","from":{"git":{"url":"--upload-pack=x"}}}""", "from.git.url")]
    [InlineData("""{"agent":"claude","from":{"git":{"url":"ssh://git:hidden@h/r.git"}}}""", "from.git.url")]
    [InlineData("""{"agent":"claude","from":{"git":{"url":"https://h/r.git","ref":"-x"}}}""", "from.git.ref")]
    [InlineData("""{"agent":"claude","from":{"git":{"url":"https://h/r.git","ref":"a..b"}}}""", "from.git.ref")]
    [InlineData("""{"agent":"claude","from":{"git":{"url":"https://h/r.git","depth":-1}}}""", "from.git.depth")]
    [InlineData("""{"agent":"claude","from":{"git":{"url":"https://h/r.git","filter":"sparse:x"}}}""", "from.git.filter")]
    [InlineData("""{"agent":"claude","from":{"git":{"url":"https://h/r.git","user":"ann"}}}""", "from.git.secret")]
    [InlineData("""{"agent":"claude","from":{"git":{"url":"https://h/r.git","user":"a b","secret":"x"}}}""", "from.git.user")]
    [InlineData("""{"agent":"claude","from":{"git":{"url":"git@h:r.git","secret":"x"}}}""", "from.git.secret")]
    [InlineData("""{"agent":"claude","from":{"git":{"url":"https://h/r.git","secret":"a b"}}}""", "from.git.secret")]
    public void Session_WrongField_IsNamed(string body, string field) => Assert.Equal([field], Errors(() => Session(body)));

    [Theory]
    [InlineData("{}", "seconds")]
    [InlineData("""{"never":false}""", "seconds")]
    [InlineData("""{"seconds":60,"never":true}""", "seconds")]
    [InlineData("""{"seconds":59}""", "seconds")]
    [InlineData("""{"seconds":31536001}""", "seconds")]
    [InlineData("""{"expires_at":"soon"}""", "expires_at")]
    public void Extension_WrongField_IsNamed(string body, string field) => Assert.Equal(
        [field], Errors(() => SessionRules.Check(RequestBody.Parse(System.Text.Encoding.UTF8.GetBytes(body), GatewayJsonContext.Plain.ExtendSessionModel), "cmd_1", "ann")));

    [Theory]
    [InlineData("https://h/r.git")]
    [InlineData("ssh://git@h:22/r.git")]
    [InlineData("git@h:team/r.git")]
    public void Session_FromARepository_IsTaken_WithItsSecretSealed(string url)
    {
        var secret = url.StartsWith("https", StringComparison.Ordinal) ? ",\"secret\":\"s3\"" : "";
        var command = Session($$"""{"agent":"claude","from":{"git":{"url":"{{url}}","ref":"feature/x"{{secret}}} } }""");
        Assert.Equal((url, "feature/x", 1), (command.Origin!.Git!.Url, command.Origin.Git.Ref, command.Origin.Git.Depth));
        Assert.Equal(secret.Length > 0, command.Secrets is not null);
        Assert.Equal(secret.Length > 0 ? "x-access-token" : null, command.Origin.Git.User);
        Assert.DoesNotContain("s3", System.Text.Json.JsonSerializer.Serialize(command.Origin));
    }

    [Theory]
    [InlineData("", "", null)]
    [InlineData("{}", "", null)]
    [InlineData("""{"reason":"lunch","strategy":"pause"}""", "lunch", "pause")]
    [InlineData("""{"strategy":"release"}""", "", "release")]
    public void Suspend_AllOfItMayBeLeftOut(string body, string reason, string? strategy)
    {
        var command = SessionRules.CheckSuspend(System.Text.Encoding.UTF8.GetBytes(body));
        Assert.Equal((reason, strategy), (command.Reason, command.Strategy));
    }

    [Fact]
    public void Suspend_WithAStrategyThatThereIsNot_IsNamed() =>
        Assert.Equal(["strategy"], Errors(() => SessionRules.CheckSuspend("""{"strategy":"hibernate"}"""u8.ToArray())));

    [Fact]
    public void Session_EveryWrongField_IsNamedAtOnce() => Assert.Equal(
        ["agent", "name", "labels", "idle_timeout_seconds"],
        Errors(() => Session("""{"agent":"x","name":"\u0007","labels":{"":""},"idle_timeout_seconds":-1}""")).OrderBy(field => field switch
        {
            "agent" => 0, "name" => 1, "labels" => 2, _ => 3,
        }));

    [Fact]
    public void Session_TooMuchOfEverything_IsRefused()
    {
        var labels = string.Join(',', Enumerable.Range(0, 65).Select(i => $"\"k{i}\":\"v\""));
        var env = string.Join(',', Enumerable.Range(0, 101).Select(i => $"\"K{i}\":\"v\""));
        Assert.Equal(["env", "labels"], Errors(() => Session($$$"""{"agent":"claude","labels":{ {{{labels}}} },"env":{ {{{env}}} } }""")).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Session_Defaults_AreTheDocumentedOnes()
    {
        var command = Session("""{"agent":"claude"}""");
        Assert.Equal(("on_demand", "", "default", 1800, false), (
            command.LifecycleMode, command.NetworkPolicy, command.PermissionMode, command.PermissionTimeoutSeconds, command.IncludeRaw));
        // "" = the profile's policy, and "open" without one: the session's grain decides.
        Assert.Null(command.IdleTimeoutSeconds);
        Assert.Null(command.Secrets);
    }

    [Fact]
    public void Session_Secrets_AreSealedForThisSessionAndNowhereElse()
    {
        var command = Session("""{"agent":"claude","api_key":"sk-ant-canary","env":{"ANTHROPIC_API_KEY":"k","B":"v"}}""");
        Assert.Equal(["ANTHROPIC_API_KEY", "B"], command.EnvNames);
        Assert.DoesNotContain("canary", command.ToString(), StringComparison.Ordinal);
        var opened = Sealer.Open("acme", "sess_1", command.Secrets!);
        Assert.Equal(("sk-ant-canary", "v"), (opened.ApiKey, opened.Env!["B"]));
    }

    [Theory]
    [InlineData("""{"prompt":"x"}""", "session_id")]
    [InlineData("""{"session_id":"s"}""", "prompt")]
    [InlineData("""{"session_id":"s","prompt":"  "}""", "prompt")]
    [InlineData("""{"session_id":"s","prompt":"a\u0000"}""", "prompt")]
    [InlineData("""{"session_id":"s","prompt":"x","timeout_seconds":0}""", "timeout_seconds")]
    [InlineData("""{"session_id":"s","prompt":"x","max_retries":11}""", "max_retries")]
    [InlineData("""{"session_id":"s","prompt":"x","continue_from":"x"}""", "continue_from")]
    public void Task_WrongField_IsNamed(string body, string field) =>
        Assert.Equal([field], Errors(() => TaskRules.Check(Parse(body, GatewayJsonContext.Plain.CreateTaskModel), "task_1")));

    [Fact]
    public void Task_PromptOverOneMebibyte_IsRefused()
    {
        static SubmitTask Of(int bytes) => TaskRules.Check(new CreateTaskModel { SessionId = "s", Prompt = new string('x', bytes) }, "task_1");
        Assert.Equal(1024 * 1024, Of(1024 * 1024).Prompt.Length);
        Assert.Equal(["prompt"], Errors(() => Of(1024 * 1024 + 1)));
    }

    [Theory]
    [InlineData("", "body", "is not valid JSON")]
    [InlineData("null", "body", "must be a JSON object")]
    [InlineData("[]", "body", "has the wrong type")]
    [InlineData("{", "body", "is not valid JSON at line 1, byte 1")]
    [InlineData("""{"agent":"claude",}""", "body", "is not valid JSON")]
    [InlineData("""{"agnt":"claude"}""", "agnt", "is not a member of this body")]
    [InlineData("""{"agent":"a","agent":"b"}""", "agent", "stands there twice")]
    [InlineData("""{"agent":5}""", "agent", "has the wrong type")]
    [InlineData("""{"labels":{"a":5}}""", "labels.a", "has the wrong type")]
    [InlineData("""{"idle_timeout_seconds":"5"}""", "idle_timeout_seconds", "has the wrong type")]
    [InlineData("""{"idle_timeout_seconds":5.5}""", "idle_timeout_seconds", "has the wrong type")]
    [InlineData("""{"idle_timeout_seconds":99999999999}""", "idle_timeout_seconds", "has the wrong type")]
    [InlineData("""{"include_raw":"yes"}""", "include_raw", "has the wrong type")]
    [InlineData("""{"name":"\ud800"}""", "name", "has the wrong type or is not valid Unicode")]
    public void Body_Malformed_NamesThePlaceAndNoTypeOfOurs(string body, string field, string message)
    {
        var error = Assert.Throws<MarionetteException>(() => Parse(body, GatewayJsonContext.Plain.CreateSessionModel));
        Assert.Equal(FaultCode.Invalid, error.Code);
        Assert.Equal(field, error.Errors.Single().Field);
        Assert.StartsWith(message, error.Errors.Single().Message, StringComparison.Ordinal);
        Assert.DoesNotContain("System.", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Body_InvalidUtf8_IsRefused() => Assert.Throws<MarionetteException>(() =>
        RequestBody.Parse((byte[])[.. "{\"name\":\""u8, 0xff, 0xfe, .. "\"}"u8], GatewayJsonContext.Plain.CreateSessionModel));

    [Theory]
    [InlineData("""{"scopes":["*"]}""", FaultCode.Invalid)]
    [InlineData("""{"name":"x","scopes":["nothing:read"]}""", FaultCode.Invalid)]
    [InlineData("""{"name":"x","expires_at":"2020-01-01T00:00:00Z"}""", FaultCode.Invalid)]
    [InlineData("""{"name":"x","tenant":"NOT A TENANT"}""", FaultCode.Invalid)]
    [InlineData("""{"name":"x"}""", FaultCode.Forbidden)]
    [InlineData("""{"name":"x","scopes":["sessions:read"]}""", FaultCode.Forbidden)]
    [InlineData("""{"name":"x","scopes":["operator"]}""", FaultCode.Forbidden)]
    [InlineData("""{"name":"x","scopes":["tasks:read"],"tenant":"other"}""", FaultCode.Forbidden)]
    public void Key_MoreThanTheCallerHas_IsRefused(string body, FaultCode code)
    {
        var caller = new Caller("key_1", "ci", "acme", ["tasks:*", "keys:write"]);
        var error = Assert.Throws<MarionetteException>(() => Key(body, caller));
        Assert.Equal(code, error.Code);
    }

    [Fact]
    public void Key_OfAnotherTenant_OperatorsMayMake() =>
        Assert.Equal("other", Key("""{"name":"x","tenant":"other"}""", new Caller("key_1", null, "acme", ["*", "operator"])).Tenant);

    private static ApiKeyRecord Key(string body, Caller caller) =>
        KeyRules.Check(Parse(body, GatewayJsonContext.Plain.CreateKeyModel), caller, new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), "mk_abcde");

    private static CreateSession Session(string body) =>
        SessionRules.Check(Parse(body, GatewayJsonContext.Plain.CreateSessionModel), "acme", "sess_1", Sealer);

    private static T Parse<T>(string body, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type) where T : class =>
        RequestBody.Parse(Encoding.UTF8.GetBytes(body), type);

    private static IEnumerable<string> Errors(Action check)
    {
        var error = Assert.Throws<MarionetteException>(check);
        Assert.Equal(FaultCode.Invalid, error.Code);
        return error.Errors.Select(field => field.Field);
    }
}

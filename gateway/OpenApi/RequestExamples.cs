using System.Collections.Immutable;
using System.Text.Json.Nodes;

namespace Marionette.Gateway.OpenApi;

/// <summary>Example bodies of the main requests, by the operation's name. A test sends each of them to the API that it documents.</summary>
internal static class RequestExamples
{
    private static readonly ImmutableDictionary<string, string> Bodies = new Dictionary<string, string>
    {
        ["CreateSession"] = """
            {"agent":"claude","name":"web shop","api_key":"sk-ant-...","labels":{"team":"web"},"permission_mode":"default","idle_timeout_seconds":900,
             "budget":{"max_cost_usd":20,"warn_percent":80},
             "permission_policy":{"approvers":["ann"],"escalation":[{"after_seconds":300,"notify":["bob"]}],"rules":[{"effect":"allow","commands":["npm test"]}]}}
            """,
        ["ExtendSession"] = """{"seconds":86400}""",
        ["ChangeSession"] = """{"model":"claude-opus-4-1","permission_mode":"plan","budget":{"max_cost_usd":50}}""",
        ["CreateTask"] = """
            {"session_id":"sess_0VblLnwqr5JQkdmN","prompt":"Fix the failing test and tell in one sentence what was wrong.","timeout_seconds":1800,"max_retries":1,
             "labels":{"ticket":"WEB-42"},"budget":{"max_tokens":500000},"output_schema":{"type":"object","properties":{"cause":{"type":"string"}},"required":["cause"]}}
            """,
        ["ApprovePermission"] = """{"reason":"inside the change window","remember":"session"}""",
        ["DenyPermission"] = """{"reason":"use the staging database"}""",
        ["DelegatePermission"] = """{"to":"ann","reason":"her service"}""",
        ["DecidePermissions"] = """{"filter":{"session_id":"sess_0VblLnwqr5JQkdmN","risk_level":["low","medium"]},"decision":"approve","reason":"looked through"}""",
        ["CreatePolicy"] = """
            {"name":"deployments need two people","effect":"ask","commands":["kubectl *","./deploy *"],"labels":{"team":"web"},
             "ask":{"required_approvals":2,"timeout_seconds":3600},"position":0}
            """,
        ["TestPolicies"] = """{"request":{"tool":"Bash","category":"command","command":"git push --force","agent":"claude"}}""",
        ["CreatePermissionHook"] = """{"name":"pager","url":"https://pager.example/marionette","risk_at_least":"high","categories":["command","network"],"timeout_seconds":10}""",
        ["CreateScheduledTask"] = """
            {"name":"nightly","cron_expression":"0 3 * * *","timezone":"Europe/Berlin","prompt_template":"Update the dependencies. Last time: {{last_result}}",
             "session":{"agent":"claude","labels":{"team":"web"},"budget":{"max_cost_usd":2},"auto_continue":true},"after_run":"terminate","overlap_policy":"skip",
             "on_failure":"pause_on_failure"}
            """,
    }.ToImmutableDictionary();

    public static JsonNode? Of(string? operation) => operation is not null && Bodies.TryGetValue(operation, out var body) ? JsonNode.Parse(body) : null;

    public static IEnumerable<string> Operations => Bodies.Keys;
}

namespace Marionette.Agent.Agents.Codex;

/// <summary>
/// Our permission modes in Codex's words. The runner is the sandbox: Codex's own would forbid what the runner allows, and needs
/// user namespaces, which few runners grant.
/// </summary>
internal static class CodexMode
{
    public const string Sandbox = "danger-full-access";

    public const string AcceptEdits = "acceptEdits";
    public const string Plan = "plan";
    public const string Bypass = "bypassPermissions";

    /// <summary>Codex has no mode in which nothing may change and everything else goes on, so the prompt says it too.</summary>
    public const string PlanNote =
        "(Plan only: read what you need and answer with a plan. Change nothing and run nothing that changes anything; such calls are refused.)";

    /// <summary>Codex's approval policy: with <c>untrusted</c> it asks for everything but commands that it knows to only read.</summary>
    public static string ApprovalPolicy(string mode) => mode == Bypass ? "never" : "untrusted";
}

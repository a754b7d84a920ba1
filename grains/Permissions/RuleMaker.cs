using System.Collections.Immutable;

namespace Marionette.Permissions;

/// <summary>"Always allow this": the narrowest rule that would have allowed the request.</summary>
internal static class RuleMaker
{
    /// <exception cref="MarionetteException">Conflict: the request is nothing that a rule can stand for.</exception>
    public static PolicyRule Remember(PermissionView view, PermissionSubject subject, string scope, string by, DateTimeOffset now)
    {
        if (Refusal(view) is { } refusal) throw new MarionetteException(FaultCode.Conflict, $"It cannot be remembered: {refusal}.");
        var rule = new PolicyRule
        {
            // The request's id under another prefix: a repeat of the answer makes the same rule.
            Id = EntityId.Policy + view.Id[view.Id.IndexOf('_')..],
            Name = "always allow " + (view.Title is { Length: > 0 and <= 60 } title ? title : view.Tool),
            Effect = PolicyEffect.Allow, Tools = [Wildcard.EscapeMost(view.Tool)], Categories = [subject.Category],
            Agents = subject.Agent.Length == 0 ? [] : [subject.Agent], RiskAtMost = view.RiskLevel,
            Scope = scope, TaskId = scope == "task" ? view.TaskId : null, PermissionId = view.Id, CreatedBy = by, CreatedAt = now,
        };
        return subject switch
        {
            { Command: { } command } => rule with { Commands = Commands(command) },
            { Paths.IsEmpty: false } => rule with { Paths = Paths(subject) },
            { Hosts.IsEmpty: false } => rule with { Hosts = Hosts(subject) },
            { Category: "command" or "edit" or "delete" or "read" } => throw Unclear("what it touches is not known"),
            _ => rule,
        };
    }

    private static string? Refusal(PermissionView view) => view switch
    {
        { Budget: not null } => "a budget is raised instead",
        { BySession: true } => "the session's failover policy is changed instead",
        { RiskLevel: Risk.Critical } => "its risk is critical",
        { RequiredApprovals: > 1 } => "it needs two people each time",
        { Category: "plan" or "question" } => $"a {view.Category} is never the same twice",
        _ => null,
    };

    private static ImmutableArray<string> Commands(string command)
    {
        var script = ShellParser.Parse(command);
        if (script.NotUnderstood is { } why) throw Unclear(why);
        if (script.Commands.Length > 20) throw Unclear("it holds more than 20 commands");
        return [.. script.Commands.Select(c => c.Oddity is { } oddity ? throw Unclear(oddity)
            : CommandPattern.Exactly(c.Words) ?? throw Unclear("it holds an empty word"))];
    }

    private static ImmutableArray<string> Paths(PermissionSubject subject) =>
        [.. subject.Paths.Select(path => PathText.Of(path, subject.WorkspaceId)?.ToGlob() is { Length: > 0 } glob ? glob : throw Unclear("a path is unclear"))];

    private static ImmutableArray<string> Hosts(PermissionSubject subject) =>
        [.. subject.Hosts.Select(host => HostText.Normalize(host) ?? throw Unclear("a host is unclear"))];

    private static MarionetteException Unclear(string why) => new(FaultCode.Conflict, $"It cannot be remembered: {why}.");
}

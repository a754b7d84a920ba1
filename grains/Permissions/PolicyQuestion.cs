using System.Collections.Immutable;

namespace Marionette.Permissions;

/// <summary>
/// A request made ready for rules. A command is asked about part by part: all parts have to be allowed, and one that is denied denies the whole.
/// </summary>
internal sealed class PolicyQuestion
{
    /// <summary>Of the trace, so that a long policy and a long command do not make an answer of megabytes.</summary>
    private const int MaxTrace = 1000;

    private readonly PermissionSubject _subject;
    private readonly ShellScript? _script;
    private readonly ImmutableArray<Part> _parts;
    private readonly ImmutableArray<PathText?> _paths;
    private readonly ImmutableArray<PathText> _mentionedPaths;
    private readonly ImmutableArray<string?> _hosts;
    private readonly ImmutableArray<string> _mentionedHosts;

    public PolicyQuestion(PermissionSubject subject)
    {
        _subject = subject;
        _script = subject.Command is { } command ? ShellParser.Parse(command) : null;
        Risk = RiskClassifier.Classify(subject, _script);
        _parts = PartsOf(_script);
        _paths = [.. subject.Paths.Select(path => PathText.Of(path, subject.WorkspaceId))];
        _hosts = [.. subject.Hosts.Select(HostText.Normalize)];
        _mentionedPaths = _script is null ? [] :
            [.. _script.Commands.SelectMany(c => c.Words.Concat(c.Targets)).SelectMany(word => SubjectText.PathsOf(word, subject.WorkspaceId))];
        _mentionedHosts = _script is null ? [] : [.. SubjectText.HostsOf(_script).Select(HostText.Normalize).OfType<string>()];
    }

    public RiskNote Risk { get; }

    /// <summary>Each part by the first rule that matches it in either list; of the parts the strictest.</summary>
    public Outcome Decide(List<PolicyRule> session, List<PolicyRule> tenant, ImmutableArray<RuleTrace>.Builder trace)
    {
        Outcome? strictest = null;
        foreach (var part in _parts)
        {
            // Each in its turn, so that the trace reads in the order of the guide.
            var ofTenant = Ask(tenant, part, trace);
            var outcome = Outcome.Combine(Ask(session, part, trace), ofTenant);
            strictest = strictest is { } before ? Outcome.Stricter(before, outcome) : outcome;
        }

        return strictest!.Value;
    }

    private Outcome Ask(List<PolicyRule> rules, Part part, ImmutableArray<RuleTrace>.Builder trace)
    {
        foreach (var rule in rules)
        {
            var miss = MissOf(rule, part);
            if (trace.Count < MaxTrace) trace.Add(new RuleTrace(rule.Id, part.Text, miss is null, miss ?? "matches"));
            if (miss is not null) continue;
            var effect = rule.Effect is PolicyEffect.Allow or PolicyEffect.Deny ? rule.Effect : PolicyEffect.Ask;
            var what = effect switch { PolicyEffect.Allow => "Allowed", PolicyEffect.Deny => "Denied", _ => "Asked about" };
            return new(effect, rule, $"{what} by rule {rule}{(string.IsNullOrEmpty(rule.Reason) ? "" : $": {rule.Reason}")}");
        }

        return new(PolicyEffect.Ask, null, part.Text is null || _parts.Length == 1 ? "No rule matches." : $"No rule matches \"{Short(part.Text)}\".");
    }

    /// <summary>The first condition that does not hold, in words; null when all do.</summary>
    private string? MissOf(PolicyRule rule, Part part)
    {
        var allows = rule.Effect == PolicyEffect.Allow;
        if (!rule.Tools.IsEmpty && !rule.Tools.Any(tool => Wildcard.IsMatch(tool, _subject.Tool))) return "another tool";
        if (!rule.Categories.IsEmpty && !rule.Categories.Contains(_subject.Category)) return "another category";
        if (!rule.Agents.IsEmpty && !rule.Agents.Contains(_subject.Agent)) return "another agent";
        if (rule.RiskAtLeast is { } least && Permissions.Risk.Rank(Risk.Level) < Permissions.Risk.Rank(least)) return "a lower risk";
        if (rule.RiskAtMost is { } most && Permissions.Risk.Rank(Risk.Level) > Permissions.Risk.Rank(most)) return "a higher risk";
        if (rule.Labels.Any(label => _subject.Labels.GetValueOrDefault(label.Key) != label.Value)) return "other labels";
        if (!rule.Commands.IsEmpty && CommandMiss(rule, part, allows) is { } command) return command;
        if (!rule.Paths.IsEmpty && PathMiss(rule, allows) is { } path) return path;
        if (!rule.Hosts.IsEmpty && HostMiss(rule, allows) is { } host) return host;
        return null;
    }

    private string? CommandMiss(PolicyRule rule, Part part, bool allows)
    {
        if (_script is null) return "no command";
        var patterns = rule.Commands.Select(CommandPattern.Parse);
        if (!allows) return patterns.Any(pattern => part.Mentions.Any(pattern.IsMatch)) ? null : "another command";
        if (_script.NotUnderstood is { } why) return $"the command cannot be vouched for: {why}";
        if (part.Command!.Oddity is { } oddity) return $"the command cannot be vouched for: {oddity}";
        return patterns.Any(pattern => pattern.Covers(part.Command.Words)) ? null : "another command";
    }

    private string? PathMiss(PolicyRule rule, bool allows)
    {
        if (!allows)
            return _paths.OfType<PathText>().Concat(_mentionedPaths).Any(path => rule.Paths.Any(path.IsMatch)) ? null : "other paths";
        if (_script is not null) return "which paths a command touches cannot be known";
        if (_paths.IsEmpty) return "no paths";
        return _paths.All(path => path is not null && rule.Paths.Any(path.IsMatch)) ? null : "other paths";
    }

    private string? HostMiss(PolicyRule rule, bool allows)
    {
        if (!allows)
            return _hosts.OfType<string>().Concat(_mentionedHosts).Any(host => rule.Hosts.Any(glob => HostText.IsMatch(glob, host))) ? null : "other hosts";
        if (_script is not null) return "which hosts a command reaches cannot be known";
        if (_hosts.IsEmpty) return "no hosts";
        return _hosts.All(host => host is not null && rule.Hosts.Any(glob => HostText.IsMatch(glob, host))) ? null : "other hosts";
    }

    private static ImmutableArray<Part> PartsOf(ShellScript? script)
    {
        if (script is null) return [new Part(null, null, [])];
        if (script.IsUnderstood) return [.. script.Commands.Select(c => new Part(c.Text, c, ShellMentions.Of(c)))];
        return [new Part(null, null, [.. script.Commands.SelectMany(ShellMentions.Of)])];
    }

    private static string Short(string text) => text.Length <= 80 ? text : text[..80] + "…";

    /// <param name="Text">The simple command; null = the request as a whole.</param>
    private sealed record Part(string? Text, ShellCommand? Command, List<ImmutableArray<string>> Mentions);
}

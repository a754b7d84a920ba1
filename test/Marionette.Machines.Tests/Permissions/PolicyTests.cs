using System.Collections.Immutable;
using Marionette.Permissions;

namespace Marionette.Machines.Tests.Permissions;

public sealed class PolicyTests
{
    private const string Workspace = "ws_0000000000000001", Root = "/data/workspaces/" + Workspace;

    private static readonly PolicyRule AllowLs = new() { Id = "ls", Effect = PolicyEffect.Allow, Commands = ["ls *", "git status"] };
    private static readonly PolicyRule DenyRm = new() { Id = "rm", Effect = PolicyEffect.Deny, Commands = ["rm *"], Reason = "ask first" };

    [Theory]
    [InlineData("ls -l", PolicyEffect.Allow)]
    [InlineData("ls && git status", PolicyEffect.Allow)]
    [InlineData("ls 2>/dev/null", PolicyEffect.Allow)]
    [InlineData("ls; rm -rf x", PolicyEffect.Deny)]
    [InlineData("ls | rm x", PolicyEffect.Deny)]
    [InlineData("ls $(rm x)", PolicyEffect.Deny)]
    [InlineData("ls \"`rm x`\"", PolicyEffect.Deny)]
    [InlineData("ls; sh -c 'rm x'", PolicyEffect.Deny)]
    [InlineData("ls; sudo /bin/rm x", PolicyEffect.Deny)]
    [InlineData("ls; touch x", PolicyEffect.Ask)]
    [InlineData("ls > x", PolicyEffect.Ask)]
    [InlineData("ls $(touch x)", PolicyEffect.Ask)]
    [InlineData("LD_PRELOAD=./x ls", PolicyEffect.Ask)]
    [InlineData("./ls", PolicyEffect.Ask)]
    [InlineData("(ls)", PolicyEffect.Ask)]
    [InlineData("ls ../..", PolicyEffect.Ask)]
    [InlineData("touch x", PolicyEffect.Ask)]
    [InlineData("", PolicyEffect.Ask)]
    public void Command_EveryPartIsAllowedOrTheWholeIsNot(string command, PolicyEffect effect) =>
        Assert.Equal(effect, Judge(Command(command), AllowLs, DenyRm).Effect);

    [Fact]
    public void Command_PartsAllowedByDifferentRules_IsAllowed()
    {
        var test = new PolicyRule { Id = "npm", Effect = PolicyEffect.Allow, Commands = ["npm test"] };
        Assert.Equal(PolicyEffect.Allow, Judge(Command("ls && npm test"), AllowLs, test).Effect);
    }

    [Fact]
    public void Command_FirstMatchDecidesAPart_AnotherPartIsForItself()
    {
        var main = new PolicyRule { Id = "main", Effect = PolicyEffect.Allow, Commands = ["git push origin main"] };
        var push = new PolicyRule { Id = "push", Effect = PolicyEffect.Deny, Commands = ["git push *"] };
        Assert.Equal(PolicyEffect.Allow, Judge(Command("git push origin main"), main, push).Effect);
        Assert.Equal(PolicyEffect.Deny, Judge(Command("git push origin main && git push -f"), main, push).Effect);
        Assert.Equal(PolicyEffect.Ask, Judge(Command("git push origin main; ls"), main, push).Effect);
    }

    [Fact]
    public void Denial_NamesItsRuleAndItsReason()
    {
        var verdict = Judge(Command("rm x"), DenyRm);
        Assert.Equal("rm", verdict.Rule?.Id);
        Assert.Contains("ask first", verdict.Why, StringComparison.Ordinal);
        Assert.Contains(verdict.Trace, t => t is { RuleId: "rm", Matched: true });
    }

    [Theory]
    [InlineData("src/**", Root + "/workspace/src/a/b.cs", true)]
    [InlineData("src/**", "src/a.cs", true)]
    [InlineData("src/**", Root + "/workspace/src/../secret", false)]
    [InlineData("src/**", "/elsewhere/src/a.cs", false)]
    [InlineData("src/*.cs", "src/x/a.cs", false)]
    [InlineData("**", Root + "/workspace/a", true)]
    [InlineData("src/", "src/x/a.cs", true)]
    [InlineData("/tmp/**", "/tmp/../etc/passwd", false)]
    [InlineData("/tmp/**", "/tmp//./x", true)]
    [InlineData("~/.cache/**", Root + "/home/.cache/x", true)]
    [InlineData("~/.cache/**", "~/.cache/x", true)]
    [InlineData("**", "../x", false)]
    [InlineData("**/*.md", "/a/b/c.md", true)]
    public void Path_IsNormalisedBeforeItIsAllowed(string glob, string path, bool allowed)
    {
        var rule = new PolicyRule { Id = "p", Effect = PolicyEffect.Allow, Paths = [glob] };
        Assert.Equal(allowed ? PolicyEffect.Allow : PolicyEffect.Ask, Judge(Edit(path), rule).Effect);
    }

    [Fact]
    public void Paths_AllMustBeAllowed_OneIsDenied()
    {
        var allow = new PolicyRule { Id = "a", Effect = PolicyEffect.Allow, Paths = ["src/**"] };
        var deny = new PolicyRule { Id = "d", Effect = PolicyEffect.Deny, Paths = ["**/.env"] };
        Assert.Equal(PolicyEffect.Ask, Judge(Edit("src/a", "b"), allow).Effect);
        Assert.Equal(PolicyEffect.Deny, Judge(Edit("src/a", "src/.env"), deny, allow).Effect);
        Assert.Equal(PolicyEffect.Deny, Judge(Command("cat src/.env"), deny, allow).Effect);
        Assert.Equal(PolicyEffect.Deny, Judge(Command("tool --file=.env"), deny).Effect);
        // Which files a command touches is not written on it.
        Assert.Equal(PolicyEffect.Ask, Judge(Command("cat src/a"), allow).Effect);
    }

    [Theory]
    [InlineData("*.example.com", "api.example.com", true)]
    [InlineData("*.example.com", "API.Example.COM.", true)]
    [InlineData("*.example.com", "example.com", false)]
    [InlineData("*.example.com", "api.example.com.evil.org", false)]
    [InlineData("*.example.com", "evil\0.example.com", false)]
    [InlineData("*.example.com", "evil.org/.example.com", false)]
    [InlineData("example.com", "example.com:443", true)]
    public void Host_IsOneNormalName(string glob, string host, bool allowed)
    {
        var rule = new PolicyRule { Id = "h", Effect = PolicyEffect.Allow, Hosts = [glob] };
        var subject = new PermissionSubject { Tool = "WebFetch", Category = "network", Hosts = [host] };
        Assert.Equal(allowed ? PolicyEffect.Allow : PolicyEffect.Ask, Judge(subject, rule).Effect);
    }

    [Fact]
    public void Conditions_MustAllHold()
    {
        var rule = new PolicyRule
        {
            Id = "r", Effect = PolicyEffect.Allow, Tools = ["Ba*"], Categories = ["command"], Agents = ["claude"], RiskAtMost = "high", RiskAtLeast = "medium",
            Labels = ImmutableDictionary<string, string>.Empty.Add("team", "web"),
        };
        var good = Command("npm test") with { Agent = "claude", Labels = rule.Labels };
        Assert.Equal(PolicyEffect.Allow, Judge(good, rule).Effect);
        PermissionSubject[] others =
        [
            good with { Tool = "Shell" }, good with { Category = "other" }, good with { Agent = "codex" }, good with { Labels = ImmutableDictionary<string, string>.Empty },
            good with { Command = "sudo npm test" }, good with { Command = "ls" },
        ];
        Assert.All(others, other => Assert.Equal(PolicyEffect.Ask, Judge(other, rule).Effect));
    }

    [Fact]
    public void SessionRules_GoFirst_ButNeverOverruleADenialOrTwoPeople()
    {
        var own = new PolicyRule { Id = "own", Effect = PolicyEffect.Allow, Scope = "session", Commands = ["npm test"] };
        var ask = new PolicyRule { Id = "ask", Effect = PolicyEffect.Ask };
        var two = new PolicyRule { Id = "two", Effect = PolicyEffect.Ask, Ask = new() { RequiredApprovals = 2 } };
        var deny = new PolicyRule { Id = "deny", Effect = PolicyEffect.Deny };
        var request = Command("npm test");
        Assert.Equal("own", PolicyEvaluator.Evaluate(request, [own], [ask]).Rule?.Id);
        Assert.Equal("two", PolicyEvaluator.Evaluate(request, [own], [two]).Rule?.Id);
        Assert.Equal("deny", PolicyEvaluator.Evaluate(request, [own], [deny]).Rule?.Id);
        Assert.Equal("deny", PolicyEvaluator.Evaluate(request, [deny], [own]).Rule?.Id);
    }

    [Fact]
    public void TaskRules_HoldForTheirTask()
    {
        var own = new PolicyRule { Id = "own", Effect = PolicyEffect.Allow, Scope = "task", TaskId = "task_1" };
        Assert.Equal(PolicyEffect.Allow, PolicyEvaluator.Evaluate(Command("x y") with { TaskId = "task_1" }, [own], []).Effect);
        Assert.Equal(PolicyEffect.Ask, PolicyEvaluator.Evaluate(Command("x y") with { TaskId = "task_2" }, [own], []).Effect);
    }

    [Fact]
    public void Parts_OneThatNeedsTwoPeople_MakesTheWholeNeedThem()
    {
        var ask = new PolicyRule { Id = "ask", Effect = PolicyEffect.Ask, Commands = ["git *"] };
        var two = new PolicyRule { Id = "two", Effect = PolicyEffect.Ask, Commands = ["deploy"], Ask = new() { RequiredApprovals = 2 } };
        Assert.Equal("two", Judge(Command("git pull && deploy"), ask, two).Rule?.Id);
    }

    [Fact]
    public void UnknownEffect_OfANewerVersion_Asks() =>
        Assert.Equal(PolicyEffect.Ask, Judge(Command("ls"), new PolicyRule { Id = "new", Effect = (PolicyEffect)77 }).Effect);

    private static PolicyVerdict Judge(PermissionSubject subject, params PolicyRule[] rules) => PolicyEvaluator.Evaluate(subject, [], rules);

    private static PermissionSubject Command(string command) => new() { Tool = "Bash", Category = "command", Command = command, WorkspaceId = Workspace };

    private static PermissionSubject Edit(params string[] paths) => new() { Tool = "Edit", Category = "edit", Paths = [.. paths], WorkspaceId = Workspace };
}

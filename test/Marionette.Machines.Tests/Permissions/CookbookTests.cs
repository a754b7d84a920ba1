using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.RegularExpressions;
using Marionette.Json;
using Marionette.Permissions;

namespace Marionette.Machines.Tests.Permissions;

/// <summary>The recipes of docs/guides/permissions.md do what they say.</summary>
public sealed partial class CookbookTests
{
    public static TheoryData<string> Recipes => [.. Parse().Keys];

    [Fact]
    public void Cookbook_HasItsRecipes() => Assert.True(Parse().Count >= 10);

    [Theory]
    [MemberData(nameof(Recipes))]
    public void Recipe_DoesWhatItSays(string title)
    {
        var text = Parse()[title];
        var rules = Fence().Match(text).Groups[1].Value.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select((line, i) => JsonSerializer.Deserialize(line, GrainsJsonContext.Default.PolicyRule)! with { Id = $"pol_{i}" }).ToList();
        var rows = text.Split('\n').Where(line => line.StartsWith("| ", StringComparison.Ordinal) && !line.StartsWith("| Request", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(rules);
        Assert.True(rows.Count >= 2, title);
        Assert.All(rows, row =>
        {
            var (request, expected) = Row(row);
            var verdict = PolicyEvaluator.Evaluate(request, [], rules);
            var said = verdict.Effect.ToString().ToLowerInvariant() + (verdict.Rule?.Ask?.RequiredApprovals == 2 ? ", two people" : "");
            Assert.True(expected == said, $"{row}: {said} ({verdict.Why})");
        });
    }

    private static (PermissionSubject Request, string Expected) Row(string row)
    {
        var cells = row.Replace("\\|", "\u0001", StringComparison.Ordinal).Split('|', StringSplitOptions.TrimEntries);
        var request = cells[1].Replace('\u0001', '|');
        var match = Request().Match(request);
        if (!match.Success) return (new PermissionSubject { Tool = request, Category = "mcp" }, cells[2]);
        var (tool, what, name, value) = (match.Groups[1].Value, match.Groups[2].Value, match.Groups[3].Value, match.Groups[4].Value);
        var subject = new PermissionSubject { Tool = tool, Agent = name == "agent" ? value : "claude" };
        if (name == "team") subject = subject with { Labels = ImmutableDictionary<string, string>.Empty.Add("team", value) };
        return (tool switch
        {
            "Bash" => subject with { Category = "command", Command = what },
            "WebFetch" => subject with { Category = "network", Hosts = [what] },
            _ => subject with { Category = tool.ToLowerInvariant(), Paths = [what] },
        }, cells[2]);
    }

    private static Dictionary<string, string> Parse([CallerFilePath] string here = "")
    {
        var guide = File.ReadAllText(Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../../../docs/guides/permissions.md")));
        return guide[guide.IndexOf("## Cookbook", StringComparison.Ordinal)..].Split("\n### ").Skip(1).ToDictionary(part => part.Split('\n')[0], part => part);
    }

    [GeneratedRegex("```json\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Fence();

    [GeneratedRegex(@"^(\w+): `(.*)`(?: \((\w+)=(\w+)\))?$")]
    private static partial Regex Request();
}

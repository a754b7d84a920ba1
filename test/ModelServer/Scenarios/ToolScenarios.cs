using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Marionette.ModelServer.Wire;

namespace Marionette.ModelServer.Scenarios;

/// <summary>Scenarios in which the model calls tools and then says what came of it.</summary>
internal static class ToolScenarios
{
    private const int QuoteLimit = 2000;

    public static IEnumerable<Act> Shell(Directive directive)
    {
        var command = directive.Required("cmd");
        var call = Bash(command, directive.Text("description", "Run the requested command"));
        return [Calls(_ => [call]), new Act(c => [TextBeat.Of(Report(c))])];
    }

    public static IEnumerable<Act> Write(Directive directive)
    {
        var file = directive.Required("file");
        var text = directive.Required("text");
        return
        [
            Calls(c => [new ToolBeat("Write", new JsonObject { ["file_path"] = Absolute(file, c), ["content"] = text })]),
            new Act(c => [TextBeat.Of(c.Outcomes.Any(o => o.IsError) ? Report(c) : $"I wrote {file}.")]),
        ];

        string Absolute(string path, Conversation conversation)
        {
            if (path.StartsWith('/')) return path;
            return conversation.WorkingDirectory is { } directory
                ? Path.Join(directory, path)
                : throw directive.Wrong("the request names no working directory, so file= must be absolute");
        }
    }

    public static IEnumerable<Act> Multi(Directive directive)
    {
        var count = directive.Int("n", 3, 1, 1000);
        var command = directive.Text("cmd", "echo step {i}");
        for (var i = 1; i <= count; i++)
        {
            var call = Bash(Numbered(command, i), $"Step {i} of {count}");
            yield return Calls(_ => [call]);
        }

        yield return new Act(c => [TextBeat.Of($"All {count} steps are done. {Report(c)}")]);
    }

    public static IEnumerable<Act> Parallel(Directive directive)
    {
        var count = directive.Int("n", 2, 1, 100);
        var command = directive.Text("cmd", "echo call {i}");
        return
        [
            Calls(_ => Enumerable.Range(1, count).Select(i => Bash(Numbered(command, i), $"Call {i} of {count}"))),
            new Act(c => [TextBeat.Of($"{c.Outcomes.Length} of {count} calls answered. {Report(c)}")]),
        ];
    }

    public static IEnumerable<Act> Loop(Directive directive)
    {
        var rounds = directive.Int("n", 1000, 1, 1_000_000);
        var command = directive.Text("cmd", "echo round {i}");
        for (var i = 1; i <= rounds; i++)
        {
            var round = i;
            yield return Calls(_ =>
                [TextBeat.Of($"Round {round} of {rounds}."), Bash(Numbered(command, round), $"Round {round}")]);
        }

        yield return new Act(_ => [TextBeat.Of($"The loop ended after {rounds} rounds.")]);
    }

    public static IEnumerable<Act> Tool(Directive directive)
    {
        var name = directive.Required("name");
        var input = ParseObject(directive);
        return [Calls(_ => [new ToolBeat(name, input)]), new Act(c => [TextBeat.Of(Report(c))])];
    }

    public static IEnumerable<Act> Ask(Directive directive)
    {
        var options = directive.Text("options", "Yes|No").Split('|');
        if (options.Length is < 2 or > 4) throw directive.Wrong("options= needs two to four choices, separated by |");
        var question = new JsonObject
        {
            ["question"] = directive.Text("question", "Shall I go on?"),
            ["header"] = directive.Text("header", "Choice"),
            ["multiSelect"] = false,
            ["options"] = new JsonArray(
                [.. options.Select(o => new JsonObject { ["label"] = o, ["description"] = $"Choose {o}" })]),
        };
        var input = new JsonObject { ["questions"] = new JsonArray(question) };
        return [Calls(_ => [new ToolBeat("AskUserQuestion", input)]), new Act(c => [TextBeat.Of(Report(c))])];
    }

    private static Act Calls(Func<Conversation, IEnumerable<Beat>> beats) => new(beats, AwaitsTools: true);

    private static ToolBeat Bash(string command, string description) =>
        new("Bash", new JsonObject { ["command"] = command, ["description"] = description });

    private static string Numbered(string command, int number) =>
        command.Replace("{i}", number.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);

    /// <summary>Quotes the tool results that came back, so that a test sees in the answer what the tool really did.</summary>
    private static string Report(Conversation conversation)
    {
        var report = new StringBuilder();
        foreach (var outcome in conversation.Outcomes)
        {
            if (report.Length > 0) report.Append('\n');
            var text = outcome.Text.Length <= QuoteLimit ? outcome.Text : $"{outcome.Text.AsSpan(0, QuoteLimit)}…";
            report.Append(outcome.IsError ? "The tool failed: " : "The tool answered: ").Append(text);
        }

        return report.Length > 0 ? report.ToString() : "The tool gave no answer.";
    }

    private static JsonObject ParseObject(Directive directive)
    {
        try
        {
            return JsonNode.Parse(directive.Text("input", "{}")) as JsonObject
                ?? throw directive.Wrong("input= must be a JSON object");
        }
        catch (JsonException)
        {
            throw directive.Wrong("input= is not JSON");
        }
    }
}

using Marionette.ModelServer.Wire;

namespace Marionette.ModelServer.Scenarios;

/// <summary>A stretch of a scenario: what is said, and whether the model then waits for tool results.</summary>
/// <param name="Beats">Called with the conversation at that step.</param>
/// <param name="AwaitsTools">The answer ends here; what follows belongs to the next step.</param>
/// <param name="StopReason">Stop reason to report instead of the natural one, or null.</param>
internal sealed record Act(Func<Conversation, IEnumerable<Beat>> Beats, bool AwaitsTools = false, string? StopReason = null);

/// <summary>One answer of the model.</summary>
/// <param name="Scenario">Whose it is: the first scenario that has a part in it, or <c>none</c>.</param>
/// <param name="Beats">What happens, in order.</param>
/// <param name="StopReason">As the API names it.</param>
internal sealed record Answer(string Scenario, IReadOnlyList<Beat> Beats, string StopReason);

/// <summary>Turns a prompt's directives and a step into the answer. A pure function: no clock, no memory.</summary>
internal static class Script
{
    /// <summary>
    /// The scenarios of a prompt are played one after another. The closing words of one and the beginning of the next
    /// share an answer, because an answer without a tool call would end the agent's turn.
    /// </summary>
    public static Answer At(Conversation conversation)
    {
        var directives = DirectiveParser.Parse(conversation.Prompt);
        if (directives.Count == 0) return new Answer("none", [TextBeat.Of(Plain)], "end_turn");

        var beats = new List<Beat>();
        string? scenario = null;
        string? stop = null;
        var step = 0;
        foreach (var (name, act) in Acts(directives))
        {
            if (step == conversation.Step)
            {
                scenario ??= name;
                stop = act.StopReason ?? stop;
                beats.AddRange(act.Beats(conversation));
            }

            if (act.AwaitsTools && ++step > conversation.Step) break;
        }

        // Asked again after the end, for instance because a stop hook objected.
        if (scenario is null) return new Answer(directives[^1].Name, [TextBeat.Of("Nothing is left to do.")], "end_turn");

        // What stood before the break arrived and is kept by the agent: go on behind it.
        if (conversation.Continues) beats.RemoveRange(0, Math.Max(0, beats.FindIndex(b => b is BreakBeat)));

        var missing = beats.OfType<ToolBeat>()
            .Select(b => b.Tool)
            .Where(tool => !conversation.Tools.Contains(tool))
            .Distinct()
            .ToList();
        if (missing.Count > 0)
        {
            beats.RemoveAll(b => b is ToolBeat);
            beats.Add(TextBeat.Of($"I was not offered the tool {string.Join(", ", missing)}, so I stop here."));
        }

        var calls = beats.Exists(b => b is ToolBeat);
        return new Answer(scenario, beats, calls ? "tool_use" : stop ?? "end_turn");
    }

    /// <summary>The answer to a prompt without a directive: the agent's side calls, a person's hello.</summary>
    public const string Plain =
        "I am a scripted model without a mind of my own. Put a line such as '@scenario shell cmd=\"ls\"' into the prompt.";

    private static IEnumerable<(string Name, Act Act)> Acts(IReadOnlyList<Directive> directives) =>
        directives.SelectMany(d => ScenarioCatalog.All[d.Name].Compile(d).Select(a => (d.Name, a)));
}

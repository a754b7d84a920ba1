using System.Collections.Frozen;

namespace Marionette.ModelServer.Scenarios;

/// <summary>What a scenario is called, which arguments it takes, and what it makes of them.</summary>
/// <param name="Name">The word after <c>@scenario</c>.</param>
/// <param name="Arguments">Every key it knows; another one is an error of the prompt.</param>
/// <param name="Compile">Its acts, in order.</param>
internal sealed record Scenario(string Name, FrozenSet<string> Arguments, Func<Directive, IEnumerable<Act>> Compile);

/// <summary>All scenarios by name. A test holds docs/reference/model-server.md to them.</summary>
internal static class ScenarioCatalog
{
    public static FrozenDictionary<string, Scenario> All { get; } = new[]
    {
        Define("say", "text stop chunk", SpeechScenarios.Say),
        Define("think", "thought text", SpeechScenarios.Think),
        Define("slow", "chunks delay_ms size gate", SpeechScenarios.Slow),
        Define("huge", "bytes size", SpeechScenarios.Huge),
        Define("unicode", "chunk", SpeechScenarios.Unicode),
        Define("shell", "cmd description", ToolScenarios.Shell),
        Define("write", "file text", ToolScenarios.Write),
        Define("multi", "n cmd", ToolScenarios.Multi),
        Define("parallel", "n cmd", ToolScenarios.Parallel),
        Define("loop", "n cmd", ToolScenarios.Loop),
        Define("tool", "name input", ToolScenarios.Tool),
        Define("ask", "question header options", ToolScenarios.Ask),
        Define("status", "code times retry_after message type resets_in", FailureScenarios.Status),
        Define("drop", "after times text", FailureScenarios.Drop),
        Define("stream_error", "type after times text", FailureScenarios.StreamError),
        Define("silence", "seconds text", FailureScenarios.Silence),
    }.ToFrozenDictionary(s => s.Name);

    private static Scenario Define(string name, string arguments, Func<Directive, IEnumerable<Act>> compile) =>
        new(name, arguments.Split(' ').ToFrozenSet(), compile);
}

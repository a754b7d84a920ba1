namespace Marionette.ModelServer.Scenarios;

/// <summary>Scenarios in which the model only talks.</summary>
internal static class SpeechScenarios
{
    public static IEnumerable<Act> Say(Directive directive)
    {
        var beat = TextBeat.Of(directive.Required("text"), directive.Int("chunk", 32, 1, 1_000_000));
        return [new Act(_ => [beat], StopReason: directive.Text("stop", "end_turn"))];
    }

    public static IEnumerable<Act> Think(Directive directive)
    {
        var thought = directive.Text(
            "thought", "The person asks for a thought, so I think one and then say what came of it.");
        var text = directive.Text("text", "I have thought about it.");
        return [new Act(_ => [new ThinkingBeat(thought), TextBeat.Of(text)])];
    }

    public static IEnumerable<Act> Slow(Directive directive)
    {
        var chunks = directive.Int("chunks", 20, 1, 1_000_000);
        var size = directive.Int("size", 16, 1, 1_000_000);
        var delay = TimeSpan.FromMilliseconds(directive.Int("delay_ms", 100, 0, 3_600_000));
        var gate = directive.Arguments.GetValueOrDefault("gate");
        return [new Act(_ => [new TextBeat(Samples.Lines((long)chunks * size, size), delay) { Gate = gate }])];
    }

    public static IEnumerable<Act> Huge(Directive directive)
    {
        var bytes = directive.Int("bytes", 1_000_000, 1, 1 << 30);
        var size = directive.Int("size", 8192, 1, 16 << 20);
        return [new Act(_ => [new TextBeat(Samples.Lines(bytes, size), TimeSpan.Zero)])];
    }

    public static IEnumerable<Act> Unicode(Directive directive)
    {
        var beat = TextBeat.Of(Samples.Unicode, directive.Int("chunk", 3, 1, 1_000_000));
        return [new Act(_ => [beat])];
    }
}

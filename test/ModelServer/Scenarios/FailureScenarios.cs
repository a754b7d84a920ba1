namespace Marionette.ModelServer.Scenarios;

/// <summary>Scenarios in which the API misbehaves and, most of them, recovers.</summary>
internal static class FailureScenarios
{
    private static readonly int[] Codes = [400, 401, 403, 404, 413, 429, 500, 502, 503, 529];

    public static IEnumerable<Act> Status(Directive directive)
    {
        var code = directive.Int("code", 529, 400, 599);
        if (!Codes.Contains(code)) throw directive.Wrong($"code={code}: one of {string.Join(", ", Codes)} is expected");
        int? retryAfter = directive.Arguments.ContainsKey("retry_after") ? directive.Int("retry_after", 0, 0, 3600) : null;
        var times = directive.Times(1);
        var refusal = new RefusalBeat(code, directive.Text("message", DefaultMessage(code)), retryAfter, times)
        {
            Type = directive.Arguments.GetValueOrDefault("type"),
            ResetsInSeconds = directive.Arguments.ContainsKey("resets_in") ? directive.Int("resets_in", 0, 0, 31_536_000) : null,
        };
        return [new Act(_ => [refusal, TextBeat.Of($"The model answers again after {times} refusals with {code}.")])];
    }

    public static IEnumerable<Act> Drop(Directive directive) => Broken(directive, errorType: null);

    public static IEnumerable<Act> StreamError(Directive directive) =>
        Broken(directive, directive.Text("type", "overloaded_error"));

    public static IEnumerable<Act> Silence(Directive directive)
    {
        var pause = new SilenceBeat(TimeSpan.FromSeconds(directive.Int("seconds", 60, 0, 86_400)));
        var text = directive.Text("text", "The silence is over.");
        return [new Act(_ => [pause, TextBeat.Of(text)])];
    }

    private static IEnumerable<Act> Broken(Directive directive, string? errorType)
    {
        var text = directive.Text("text", "This sentence was interrupted once, and now it has arrived whole.");
        var after = directive.Int("after", 20, 0, 1_000_000);
        var brokenOff = new BreakBeat(text[..Math.Min(after, text.Length)], errorType, directive.Times(1));
        return [new Act(_ => [brokenOff, TextBeat.Of(text)])];
    }

    private static string DefaultMessage(int code) => code switch
    {
        400 => "prompt is too long: 250000 tokens > 200000 maximum",
        401 => "invalid x-api-key",
        429 => "This request would exceed your account's rate limit. Please try again later.",
        529 => "Overloaded",
        _ => "Scripted failure",
    };
}

using System.Globalization;
using Marionette.ModelServer.Http;

namespace Marionette.ModelServer.Scenarios;

/// <summary>One <c>@scenario</c> line: a name and its arguments, with checks that name what is wrong.</summary>
internal sealed record Directive(string Name, IReadOnlyDictionary<string, string> Arguments)
{
    /// <summary>What <c>times=always</c> stands for.</summary>
    public const int Always = int.MaxValue;

    public string Text(string argument, string fallback) => Arguments.GetValueOrDefault(argument, fallback);

    /// <exception cref="ApiException">400 when the argument is missing.</exception>
    public string Required(string argument) =>
        Arguments.TryGetValue(argument, out var value) ? value : throw Wrong($"needs {argument}=");

    /// <exception cref="ApiException">400 when the value is no whole number within the bounds.</exception>
    public int Int(string argument, int fallback, int min, int max)
    {
        if (!Arguments.TryGetValue(argument, out var text)) return fallback;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            && value >= min && value <= max
                ? value
                : throw Wrong($"{argument}={text}: a whole number from {min} to {max} is expected");
    }

    /// <summary>How many attempts fail: a number, or <c>always</c>.</summary>
    public int Times(int fallback) =>
        Arguments.GetValueOrDefault("times") == "always" ? Always : Int("times", fallback, 0, 1000);

    public ApiException Wrong(string problem) => ApiException.Invalid($"@scenario {Name}: {problem}");
}

namespace Marionette.Permissions;

/// <summary>The four levels of risk, as they stand in JSON, and their order.</summary>
internal static class Risk
{
    public const string Low = "low", Medium = "medium", High = "high", Critical = "critical";

    /// <summary>From 0; a level that this version does not know is the highest.</summary>
    public static int Rank(string? level) => level switch { Low => 0, Medium => 1, High => 2, _ => 3 };

    public static bool IsAtLeast(string level, string bound) => Rank(level) >= Rank(bound);

    public static string Higher(string a, string b) => Rank(a) >= Rank(b) ? a : b;
}

/// <summary>What a request risks, and what makes it so.</summary>
internal sealed class RiskNote(string level)
{
    private readonly List<string> _reasons = [];

    public string Level { get; private set; } = level;

    public IReadOnlyList<string> Reasons => _reasons;

    public void Raise(string level, string reason)
    {
        Level = Risk.Higher(Level, level);
        if (_reasons.Count < 20 && !_reasons.Contains(reason)) _reasons.Add(reason);
    }
}

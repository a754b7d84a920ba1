namespace Marionette.Bench.Measuring;

/// <summary>One result.</summary>
/// <param name="Name">Figure, and after a slash what of it: <c>events-durable/50</c>.</param>
/// <param name="Value">Median over the rounds.</param>
/// <param name="Unit">Of value and floor.</param>
/// <param name="Floor">The bare minimum, measured in turns with the value; null where a figure has none.</param>
/// <param name="Ratio">Median over the rounds of value / floor.</param>
/// <param name="Goal">What is aimed at.</param>
/// <param name="Note">What was compared, and what limits it.</param>
internal sealed record Figure(string Name, double Value, string Unit, double? Floor, double? Ratio, Goal? Goal, string Note)
{
    /// <summary>Whether the goal is met; null without one.</summary>
    public bool? Holds => Goal?.IsMetBy(this);
}

/// <summary>An aim: of the ratio, or of the value.</summary>
internal sealed record Goal(bool OfRatio, bool AtLeast, double Bound)
{
    public static Goal RatioAtLeast(double bound) => new(true, true, bound);

    public static Goal RatioAtMost(double bound) => new(true, false, bound);

    public static Goal AtMost(double bound) => new(false, false, bound);

    public bool? IsMetBy(Figure figure)
    {
        if ((OfRatio ? figure.Ratio : figure.Value) is not { } actual) return null;
        return AtLeast ? actual >= Bound : actual <= Bound;
    }

    public override string ToString() => $"{(OfRatio ? "ratio" : "value")} {(AtLeast ? ">=" : "<=")} {Bound}";
}

namespace Marionette.Bench.Measuring;

/// <summary>Value and floor, measured in turns: a machine that is busy with something else slows both, and the ratio holds.</summary>
internal sealed class Series
{
    private readonly List<double> _values = [], _floors = [];

    public void Add(double value, double floor)
    {
        _values.Add(value);
        _floors.Add(floor);
    }

    public Figure ToFigure(string name, string unit, Goal? goal, string note) => new(
        name, Median(_values), unit, Median(_floors), Median([.. _values.Zip(_floors, (value, floor) => value / floor)]), goal, note);

    /// <summary>Two figures: p50 with the ratio of the rounds, and p99 of the values over p99 of the floors.</summary>
    public Figure[] ToPercentiles(string name, string unit, string note)
    {
        var (value, floor) = (Percentile(_values, 0.99), Percentile(_floors, 0.99));
        return [ToFigure($"{name}/p50", unit, null, $"median of {_values.Count}: {note}"), new Figure($"{name}/p99", value, unit, floor, value / floor, null, "of the same")];
    }

    public static double Median(IReadOnlyCollection<double> numbers) => Percentile(numbers, 0.5);

    /// <summary>Nearest rank.</summary>
    /// <param name="share">0 to 1.</param>
    public static double Percentile(IReadOnlyCollection<double> numbers, double share)
    {
        if (numbers.Count == 0) return double.NaN;
        var sorted = numbers.Order().ToArray();
        return sorted[Math.Clamp((int)Math.Ceiling(share * sorted.Length) - 1, 0, sorted.Length - 1)];
    }
}

using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Marionette.Bench.Measuring;

/// <summary>One line a figure, as soon as it is known.</summary>
internal sealed class FigureWriter(bool json)
{
    private bool _headed;

    public void Write(Figure figure)
    {
        if (json)
        {
            var line = new FigureLine(
                figure.Name, Round(figure.Value), figure.Unit, figure.Floor is { } floor ? Round(floor) : null, figure.Ratio is { } ratio ? Math.Round(ratio, 3) : null,
                figure.Goal?.ToString(), figure.Holds, figure.Note);
            Console.WriteLine(JsonSerializer.Serialize(line, FigureJsonContext.Default.FigureLine));
            return;
        }

        if (!_headed) Console.WriteLine($"{"figure",-38} {"value",12} {"unit",-14} {"floor",12} {"ratio",7}  {"goal",-15} {"holds",-5} note");
        _headed = true;
        Console.WriteLine(
            $"{figure.Name,-38} {Text(figure.Value),12} {figure.Unit,-14} {Text(figure.Floor),12} {figure.Ratio?.ToString("0.00", CultureInfo.InvariantCulture) ?? "-",7}  "
            + $"{figure.Goal?.ToString() ?? "-",-15} {(figure.Holds is { } holds ? holds ? "yes" : "no" : "-"),-5} {figure.Note}");
    }

    private static string Text(double? number) =>
        number is not { } some ? "-" : some.ToString(Math.Abs(some) >= 1000 ? "#,0" : "0.0##", CultureInfo.InvariantCulture);

    private static double Round(double number) => Math.Abs(number) >= 1000 ? Math.Round(number) : Math.Round(number, 3);
}

/// <summary>The JSON of a figure.</summary>
internal sealed record FigureLine(string Name, double Value, string Unit, double? Floor, double? Ratio, string? Goal, bool? Holds, string Note);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(FigureLine))]
internal sealed partial class FigureJsonContext : JsonSerializerContext;

using System.Text.Json;

namespace Marionette.Cli.Output;

/// <summary>How results are printed: tables for people, the API's own JSON or YAML for programs.</summary>
internal enum OutputFormat
{
    Table,

    /// <summary>A table with the columns that most people do without.</summary>
    Wide,
    Json,
    Yaml,
}

internal static class OutputFormats
{
    public static bool IsForPeople(this OutputFormat format) => format is OutputFormat.Table or OutputFormat.Wide;
}

/// <summary>A column of a list, or a line of one object: its head, and how its text is found.</summary>
/// <param name="Wide">A list has it with <see cref="OutputFormat.Wide"/> alone; one object always.</param>
internal sealed record Column(string Head, Func<JsonElement, string?> Value, bool Wide = false)
{
    /// <summary>A column that shows a member as it is.</summary>
    public static Column Of(string head, string member, bool wide = false) => new(head, item => item.Text(member), wide);
}

/// <summary>Prints API results to stdout in the format the user asked for.</summary>
internal sealed class ResultWriter(TextWriter output, OutputFormat format, bool color)
{
    public OutputFormat Format => format;

    /// <summary>A page of the API's list. In a table, a page that is not the last one says how to get the next.</summary>
    public void List(JsonElement page, IReadOnlyList<Column> columns, string nothing)
    {
        if (Raw(page))
            return;
        var items = page.Items("items").ToArray();
        if (items.Length == 0)
        {
            output.WriteLine(nothing);
            return;
        }
        columns = [.. columns.Where(column => !column.Wide || format == OutputFormat.Wide)];
        var rows = items.Select(item => columns.Select(column => Cell(column.Value(item))).ToArray()).ToArray();
        var widths = columns.Select((column, i) => Math.Max(column.Head.Length, rows.Max(row => row[i].Length))).ToArray();
        output.WriteLine(Paint.Apply(Style.Bold, Line([.. columns.Select(column => column.Head)], widths), color));
        foreach (var row in rows)
            output.WriteLine(Line(row, widths));
        if (page.Flag("has_more"))
            output.WriteLine($"… {page.Number("total_count")} in all; the next page: --cursor {page.Text("next_cursor")}");
    }

    /// <summary>One object, a member a line; what is absent is left out.</summary>
    public void One(JsonElement item, IReadOnlyList<Column> lines)
    {
        if (Raw(item))
            return;
        var shown = lines.Select(line => (line.Head, Text: line.Value(item))).Where(line => line.Text is { Length: > 0 }).ToArray();
        var width = shown.Length == 0 ? 0 : shown.Max(line => line.Head.Length) + 2;
        foreach (var (head, text) in shown)
        {
            var clean = TerminalText.CleanAll(text!).TrimEnd().Replace("\n", "\n" + new string(' ', width));
            output.WriteLine($"{Paint.Apply(Style.Bold, $"{head}:", color)}{new string(' ', width - head.Length - 1)}{clean}");
        }
    }

    /// <summary>Something was done that has no result: a sentence for people, nothing for programs.</summary>
    public void Done(string sentence)
    {
        if (format.IsForPeople())
            output.WriteLine(sentence);
    }

    private bool Raw(JsonElement element)
    {
        switch (format)
        {
            case OutputFormat.Json:
                output.WriteLine(JsonText.Indented(element));
                return true;
            case OutputFormat.Yaml:
                output.Write(YamlWriter.Write(element));
                return true;
            default:
                return false;
        }
    }

    private static string Cell(string? text) => text is null or "" ? "-" : TerminalText.OneLine(text);

    private static string Line(string[] cells, int[] widths) =>
        string.Join("  ", cells.Select((cell, i) => cell.PadRight(widths[i]))).TrimEnd();
}

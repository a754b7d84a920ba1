namespace Marionette.Cli.Output;

/// <summary>What a line means; how that looks is <see cref="Paint"/>'s business.</summary>
internal enum Style
{
    Plain,
    Dim,
    Bold,
    Good,
    Bad,
    Ask,
    Tool,
}

/// <summary>Colours, or none.</summary>
internal static class Paint
{
    /// <summary>The text in the style's colour, ended by a reset; the bare text where colours are not wanted.</summary>
    public static string Apply(Style style, string text, bool color) => !color || style == Style.Plain || text.Length == 0
        ? text
        : $"\e[{Code(style)}m{text}\e[0m";

    private static string Code(Style style) => style switch
    {
        Style.Dim => "2",
        Style.Bold => "1",
        Style.Good => "32",
        Style.Bad => "31",
        Style.Ask => "1;33",
        Style.Tool => "36",
        _ => "0",
    };
}

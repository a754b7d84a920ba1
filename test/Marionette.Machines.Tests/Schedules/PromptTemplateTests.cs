using Marionette.Schedules;

namespace Marionette.Machines.Tests.Schedules;

public sealed class PromptTemplateTests
{
    private static readonly Dictionary<string, string> Labels = new() { ["team"] = "web" };

    [Theory]
    [InlineData("plain { text }", "plain { text }")]
    [InlineData("at {{scheduled_at}}.", "at <scheduled_at>.")]
    [InlineData("{{ run_number }}{{run_count}}", "<run_number><run_count>")]
    [InlineData("{{labels.team}}", "<labels.team>")]
    [InlineData("{{.Date}} {{.RunNumber}}", "<date> <run_number>")]
    [InlineData("write {{\"{{\"}}x{{\"}}\"}}", "write {{x}}")]
    [InlineData("ends }} alone", "ends }} alone")]
    [InlineData("", "")]
    public void Render_KnownVariables_AreFilledIn(string text, string expected) =>
        Assert.Equal(expected, PromptTemplate.Parse(text, Labels, out _)!.Render(name => $"<{name}>"));

    [Theory]
    [InlineData("{{nothing}}", "nothing")]
    [InlineData("{{labels.other}}", "labels.other")]
    [InlineData("{{}}", "\"\"")]
    [InlineData("{{now", "not closed")]
    [InlineData("{{ .Env.SECRET }}", ".Env.SECRET")]
    [InlineData("a {{\"{{ b", "not closed")]
    public void Parse_WhatIsNotKnown_IsRefused(string text, string why)
    {
        Assert.Null(PromptTemplate.Parse(text, Labels, out var error));
        Assert.Contains(why, error, StringComparison.Ordinal);
    }

    [Fact]
    public void Render_ValuesWithBraces_AreNoTemplates() =>
        Assert.Equal("{{now}}", PromptTemplate.Parse("{{last_result}}", Labels, out _)!.Render(_ => "{{now}}"));
}

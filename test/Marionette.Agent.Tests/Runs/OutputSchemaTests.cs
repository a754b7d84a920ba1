using System.Text;
using Marionette.Agent.Runs;

namespace Marionette.Agent.Tests.Runs;

public sealed class OutputSchemaTests
{
    private const string Numbered = """{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}""";

    [Theory]
    [InlineData("""{"n":1}""")]
    [InlineData("  {\"n\" : 1}\n")]
    [InlineData("Here you are:\n```json\n{\"n\":1}\n```\nGood luck!")]
    [InlineData("First ```{\"n\":7}``` and then\n```\n{\"n\":1}\n```")]
    [InlineData("I think {it} is {\"n\":1}")]
    public void Json_IsFoundInTheAnswer(string answer)
    {
        var found = Read(Numbered).Find(default, answer, out var errors);
        Assert.Empty(errors);
        Assert.Equal("""{"n":1}""", Encoding.UTF8.GetString(found!));
    }

    [Theory]
    [InlineData("nothing of the kind", "There is no JSON in the answer.")]
    [InlineData("""{"n":"1"}""", "/n: Value is \"string\" but should be \"integer\"")]
    [InlineData("{}", "/: Required properties [\"n\"] are not present")]
    public void WhatIsWrong_IsSaid(string answer, string error)
    {
        Assert.Null(Read(Numbered).Find(default, answer, out var errors));
        Assert.Contains(error, errors);
    }

    [Fact]
    public void TheAgentsOwnStructure_WinsOverItsWords() =>
        Assert.Equal("""{"n":2}""", Encoding.UTF8.GetString(Read(Numbered).Find("""{"n":2}"""u8.ToArray(), """{"n":1}""", out _)!));

    [Theory]
    [InlineData("{")]
    [InlineData("[1]")]
    [InlineData("3")]
    [InlineData("""{"type":"objec"}""")]
    [InlineData("""{"$ref":"http://127.0.0.1:1/nowhere"}""")]
    [InlineData("""{"pattern":"("}""")]
    public void WrongSchema_IsRefusedWithAReason(string schema)
    {
        Assert.Null(OutputSchema.Read(Encoding.UTF8.GetBytes(schema), out var problem));
        Assert.NotEmpty(problem);
    }

    private static OutputSchema Read(string schema)
    {
        var read = OutputSchema.Read(Encoding.UTF8.GetBytes(schema), out var problem);
        Assert.True(read is not null, problem);
        return read;
    }
}

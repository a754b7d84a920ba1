using FsCheck.Xunit;
using Marionette.Gateway.Streams;

namespace Marionette.Gateway.Tests.Streams;

public sealed class CursorAndFilterTests
{
    [Property]
    public void TenantCursor_ThereAndBack_IsTheSame(ulong transaction, FsCheck.NonNegativeInt place)
    {
        var position = new StreamPosition(transaction, place.Item);
        Assert.True(StreamPosition.TryParseTenant(position.ToTenantText(), out var parsed));
        Assert.Equal(position, parsed);
    }

    [Theory]
    [InlineData("")]
    [InlineData("1")]
    [InlineData("1.")]
    [InlineData("1.2.3")]
    [InlineData("-1.2")]
    [InlineData("1.-2")]
    [InlineData(" 1.2")]
    [InlineData("99999999999999999999.1")]
    [InlineData("a.b")]
    public void TenantCursor_Malformed_IsRefused(string text) => Assert.False(StreamPosition.TryParseTenant(text, out _));

    [Theory]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("1.5")]
    [InlineData("+1")]
    [InlineData("9223372036854775808")]
    public void Seq_Malformed_IsRefused(string text) => Assert.False(StreamPosition.TryParseSeq(text, out _));

    [Fact]
    public void Positions_Order_IsByTransactionThenPlace()
    {
        Assert.True(new StreamPosition(1, 9) < new StreamPosition(2, 1));
        Assert.True(new StreamPosition(2, 1) < new StreamPosition(2, 2));
    }

    [Theory]
    [InlineData("task.*", "task.created", true)]
    [InlineData("task.*", "task", false)]
    [InlineData("task.*", "tasks.created", false)]
    [InlineData("text", "text", true)]
    [InlineData("text", "text.delta", false)]
    [InlineData("text.*", "text.delta", true)]
    [InlineData("text,tool_use", "tool_use", true)]
    [InlineData("text, tool_use", "tool_result", false)]
    [InlineData("*", "anything", true)]
    [InlineData("", "anything", true)]
    public void Filter_Types_PassOrNot(string filter, string type, bool passes) => Assert.Equal(passes, TypeFilter.Parse([filter])!.Passes(type));

    [Theory]
    [InlineData("Task.*")]
    [InlineData("task.%")]
    [InlineData("a b")]
    [InlineData("*.created")]
    [InlineData(".*")]
    public void Filter_NotATypePattern_IsRefused(string filter) => Assert.Null(TypeFilter.Parse([filter]));

    [Fact]
    public void Filter_AsSql_EscapesWildcards() => Assert.Equal([@"tool\_use", "task.%"], TypeFilter.Parse(["tool_use,task.*"])!.LikePatterns);
}

using System.Net;
using FsCheck.Xunit;
using Marionette.Agent.Egress.Names;
using Marionette.Agent.Tests.Egress.World;

namespace Marionette.Agent.Tests.Egress.Pure;

public sealed class DnsMessageTests
{
    [Fact]
    public void Question_IsRead()
    {
        var question = DnsQuestion.Parse(TestRunner.Query("Api.GOOD.test", 28))!;
        Assert.Equal((ushort)7, question.Id);
        Assert.Equal("api.good.test", question.Name);
        Assert.Equal(28, question.Type);
        Assert.Equal(1, question.Class);
        Assert.True(question.RecursionDesired);
        Assert.Equal(0, question.Error);
    }

    [Theory]
    [InlineData("93.184.215.14", 1)]
    [InlineData("fd6d:6172:696f:1::5", 28)]
    public void Answer_IsReadAsItWasBuilt(string address, int type)
    {
        var question = DnsQuestion.Parse(TestRunner.Query("api.good.test", type))!;
        var built = DnsAnswer.Build(question, 0, IPAddress.Parse(address), TimeSpan.FromSeconds(9));
        var answer = DnsAnswer.Parse(built, type, out var truncated)!;
        Assert.False(truncated);
        Assert.Equal(IPAddress.Parse(address), Assert.Single(answer.Addresses));
        Assert.Equal(TimeSpan.FromSeconds(9), answer.Ttl);
    }

    [Theory]
    [InlineData("a.b", "a?b.test")] // a dot inside of a label is not two labels
    [InlineData("nul\0", "nul?.test")]
    [InlineData("spa ce", "spa?ce.test")]
    [InlineData("\u00e9", "?.test")]
    public void StrangeLabel_IsNoName_AndIsShownHarmless(string label, string shown)
    {
        byte[] text = [.. label.Select(letter => (byte)letter)];
        byte[] message = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, (byte)text.Length, .. text, 4, .. "test"u8, 0, 0, 1, 0, 1];
        var question = DnsQuestion.Parse(message)!;
        Assert.Null(question.Name);
        Assert.Equal(shown, question.Shown);
    }

    [Fact]
    public void PointerInAQuestion_IsMalformed()
    {
        byte[] message = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1];
        Assert.Equal(DnsWire.FormatError, DnsQuestion.Parse(message)!.Error);
    }

    [Theory]
    [InlineData(0x80, 1)] // an answer
    [InlineData(0x28, 1)] // an update
    [InlineData(0x00, 0)]
    [InlineData(0x00, 2)]
    public void WhatIsNoOneQuestion_IsNotOne(byte flags, byte count)
    {
        var message = TestRunner.Query("api.good.test", 1);
        message[2] = flags;
        message[5] = count;
        Assert.NotEqual(0, DnsQuestion.Parse(message)?.Error ?? -1);
    }

    [Property(MaxTest = 2000)]
    public void RandomBytes_NeverThrow(byte[]? bytes)
    {
        bytes ??= [];
        if (DnsQuestion.Parse(bytes) is { } question)
            _ = DnsAnswer.Build(question, question.Error, null, TimeSpan.Zero);
        _ = DnsAnswer.Parse(bytes, 1, out _);
        _ = DnsAnswer.Parse([0, 1, 0x81, 0x80, 0, 1, 0, 9, 0, 9, 0, 0, .. bytes], 28, out _);
        _ = DnsQuestion.Parse(new byte[] { 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0 }.Concat(bytes).ToArray());
    }

    [Property(MaxTest = 500)]
    public void BrokenQuestion_NeverThrows(int at, byte value, int length)
    {
        var message = TestRunner.Query("a-longer-name.with.labels.good.test", 1);
        message[(int)((uint)at % message.Length)] = value;
        _ = DnsQuestion.Parse(message.AsMemory(0, (int)((uint)length % (message.Length + 1))));
    }
}

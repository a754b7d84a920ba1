using Marionette.Agent.Channel;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Tests.Channel;

public sealed class CommandInboxTests
{
    [Fact]
    public void Take_PassesEachNumberOnce_AndNeverBackwards()
    {
        var inbox = new CommandInbox();
        var taken = new long[] { 3, 7, 7, 3, 8, 5, 8, 20 }.Where(number => inbox.Take(new Command { Number = number })).ToList();
        Assert.Equal([3, 7, 8, 20], taken);
        Assert.Equal(20, inbox.Last);
        var passed = new List<long>();
        while (inbox.Commands.TryRead(out var command))
            passed.Add(command.Number);
        Assert.Equal(taken, passed);
    }

    [Fact]
    public void Inject_DoesNotMoveTheNumber()
    {
        var inbox = new CommandInbox();
        inbox.Take(new Command { Number = 3 });
        inbox.Inject(new Command { Stop = new Stop { Reason = "signal" } });
        Assert.Equal(3, inbox.Last);
        Assert.True(inbox.Take(new Command { Number = 4 }));
    }
}

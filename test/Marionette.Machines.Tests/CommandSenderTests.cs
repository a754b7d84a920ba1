using System.Collections.Immutable;
using Marionette.Runners;
using Marionette.Sessions;

namespace Marionette.Machines.Tests;

/// <summary>Commands keep their order, whatever has to be read for them first.</summary>
public sealed class CommandSenderTests
{
    private readonly Recorder _gateway = new();

    [Fact]
    public async Task ACommandThatNeedsFiles_IsNotOvertaken()
    {
        var files = new TaskCompletionSource();
        var sender = new CommandSender(_gateway, async commands =>
        {
            if (commands[0].Number == 1) await files.Task;
            return commands;
        });
        var first = sender.SendAsync([new StopCommand(1, "")]);
        var second = sender.SendAsync([new StopCommand(2, "")]);
        Assert.Empty(_gateway.Numbers);
        files.SetResult();
        await Task.WhenAll(first, second);
        Assert.Equal([1, 2], _gateway.Numbers);
    }

    [Fact]
    public async Task AfterAFailure_NothingPasses_UntilAllIsSentAgain()
    {
        var broken = true;
        var sender = new CommandSender(_gateway, commands => broken ? throw new TimeoutException() : Task.FromResult(commands));
        await Assert.ThrowsAsync<TimeoutException>(() => sender.SendAsync([new StopCommand(1, "")]));
        broken = false;
        await sender.SendAsync([new StopCommand(2, "")]);
        Assert.Empty(_gateway.Numbers);
        await sender.RepeatAsync([new StopCommand(1, ""), new StopCommand(2, "")]);
        await sender.SendAsync([new StopCommand(3, "")]);
        Assert.Equal([1, 2, 3], _gateway.Numbers);
    }

    private sealed class Recorder : IRunnerConnection
    {
        public List<long> Numbers { get; } = [];

        public Task OnCommandsAsync(ImmutableArray<RunnerCommand> commands)
        {
            Numbers.AddRange(commands.Select(c => c.Number));
            return Task.CompletedTask;
        }

        public Task OnFencedAsync(long epoch, string reason) => Task.CompletedTask;
    }
}

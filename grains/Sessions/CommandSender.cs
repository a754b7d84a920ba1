using System.Collections.Immutable;
using Marionette.Runners;

namespace Marionette.Sessions;

/// <summary>
/// Sends commands over one connection in the order of their numbers, though some need files from the store first. A gateway drops what is
/// not newer than what it had, so a command that were overtaken would never arrive. Used by one grain, hence without locks.
/// </summary>
internal sealed class CommandSender(IRunnerConnection observer, Func<ImmutableArray<RunnerCommand>, Task<ImmutableArray<RunnerCommand>>> fill)
{
    private Task _before = Task.CompletedTask;
    private bool _broken;

    /// <summary>Sends them behind all that was given before. After a failure nothing goes out until <see cref="RepeatAsync"/>.</summary>
    public async Task SendAsync(ImmutableArray<RunnerCommand> commands)
    {
        var before = _before;
        var done = new TaskCompletionSource();
        _before = done.Task;
        try
        {
            await before;
            if (_broken) return;
            var sending = observer.OnCommandsAsync(await fill(commands));
            done.SetResult();
            await sending;
        }
        catch
        {
            _broken = true;
            throw;
        }
        finally
        {
            done.TrySetResult();
        }
    }

    /// <summary>Sends all that shows no effect yet; the way is open again.</summary>
    public Task RepeatAsync(ImmutableArray<RunnerCommand> all)
    {
        _broken = false;
        return SendAsync(all);
    }
}

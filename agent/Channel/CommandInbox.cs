using System.Threading.Channels;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Channel;

/// <summary>What the server wants, in order and once: a command that comes again after a reconnect is dropped by its number.</summary>
internal sealed class CommandInbox
{
    private readonly Channel<Command> commands = System.Threading.Channels.Channel.CreateUnbounded<Command>(
        new UnboundedChannelOptions { SingleReader = true });

    private long last;

    /// <summary>Highest number taken in by this process; 0 at its start.</summary>
    public long Last => Interlocked.Read(ref last);

    public ChannelReader<Command> Commands => commands.Reader;

    /// <returns>False when the number was taken before.</returns>
    public bool Take(Command command)
    {
        if (command.Number <= last)
            return false;
        Interlocked.Exchange(ref last, command.Number);
        return commands.Writer.TryWrite(command);
    }

    /// <summary>Puts a command of the agent's own in the queue (a signal that means Stop).</summary>
    public void Inject(Command command) => commands.Writer.TryWrite(command);
}

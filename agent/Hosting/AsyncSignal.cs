using System.Threading.Channels;

namespace Marionette.Agent.Hosting;

/// <summary>Wakes one waiter; a signal set while nobody waits is kept, several are one.</summary>
internal sealed class AsyncSignal
{
    private readonly Channel<byte> channel = System.Threading.Channels.Channel.CreateBounded<byte>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });

    public void Set() => channel.Writer.TryWrite(0);

    public async ValueTask WaitAsync(CancellationToken cancellationToken) =>
        await channel.Reader.ReadAsync(cancellationToken).ConfigureAwait(false);
}

using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using Marionette.Protocol.Hosts.V1;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>Two channels read as one, the first before the second: a flood of denials pushes out denials, never the end of a runner.</summary>
internal sealed class NoticeReader(ChannelReader<HostMessage> first, ChannelReader<HostMessage> second) : ChannelReader<HostMessage>
{
    public override Task Completion { get; } = Task.WhenAll(first.Completion, second.Completion);

    public override bool TryRead([MaybeNullWhen(false)] out HostMessage item) => first.TryRead(out item) || second.TryRead(out item);

    public override async ValueTask<bool> WaitToReadAsync(CancellationToken cancellationToken = default)
    {
        if (first.Completion.IsCompleted)
            return await second.WaitToReadAsync(cancellationToken).ConfigureAwait(false);
        using var other = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var waits = new[] { first.WaitToReadAsync(other.Token).AsTask(), second.WaitToReadAsync(other.Token).AsTask() };
        var ready = await Task.WhenAny(waits).ConfigureAwait(false);
        await other.CancelAsync().ConfigureAwait(false);
        _ = Task.WhenAll(waits).ContinueWith(task => task.Exception, TaskScheduler.Default);
        return await ready.ConfigureAwait(false) || (ready == waits[0] && await second.WaitToReadAsync(cancellationToken).ConfigureAwait(false));
    }
}

using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Docker.DotNet;
using Docker.DotNet.Models;

namespace Marionette.Providers.Docker;

// What the engine and the network helper tell by themselves.
public sealed partial class DockerProvider
{
    /// <inheritdoc/>
    public async IAsyncEnumerable<ProviderNotice> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var heard = Channel.CreateUnbounded<ProviderNotice>(new UnboundedChannelOptions { SingleReader = true });
        using var life = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        // Whichever of the two ends first ends the stream: the caller asks again.
        var ending = Task.WhenAny(HearEngineAsync(heard.Writer, life.Token), HearNetworkAsync(heard.Writer, life.Token))
            .ContinueWith(_ => heard.Writer.TryComplete(), TaskScheduler.Default);
        try
        {
            await foreach (var notice in heard.Reader.ReadAllAsync(cancellationToken)) yield return notice;
        }
        finally
        {
            await life.CancelAsync();
            await ending;
        }
    }

    private async Task HearEngineAsync(ChannelWriter<ProviderNotice> heard, CancellationToken cancellationToken)
    {
        var filters = _names.Ours();
        filters["type"] = new Dictionary<string, bool> { ["container"] = true };
        filters["event"] = new Dictionary<string, bool> { ["die"] = true, ["destroy"] = true };
        var told = new Told<Message>(message =>
        {
            if (message.Actor?.Attributes?.TryGetValue("name", out var name) == true && _names.RunnerOf(name) is { } runner)
                heard.TryWrite(new RunnerEndedNotice(runner.RunnerKey, runner.Epoch));
        });
        try
        {
            await _engine.Client.System.MonitorEventsAsync(new ContainerEventsParameters { Filters = filters }, told, cancellationToken);
            _engine.Gaps.Down();
        }
        catch (Exception e) when (e is DockerApiException or HttpRequestException or IOException or System.Net.Sockets.SocketException or TimeoutException)
        {
            _engine.Gaps.Down();
        }
        catch (OperationCanceledException)
        {
            // The caller has heard enough.
        }
    }

    private async Task HearNetworkAsync(ChannelWriter<ProviderNotice> heard, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var blocked in _egress.BlockedAsync(cancellationToken))
            {
                // A container keeps its id and may change its name once, so who it is is asked, not remembered.
                if (await InspectAsync(blocked.Container, cancellationToken) is not { } found || _names.RunnerOf(found.Name) is not { } runner) continue;
                heard.TryWrite(new EgressBlockedNotice(
                    runner.RunnerKey, runner.Epoch, blocked.Target, blocked.Port, blocked.Protocol, blocked.Reason, blocked.Count));
            }

            if (!_egress.Controls) await Task.Delay(Timeout.InfiniteTimeSpan, _clock, cancellationToken);
        }
        catch (Exception e) when (e is ProviderException or OperationCanceledException)
        {
            // The engine is away, which the other stream notices too; or the caller has heard enough.
        }
    }

    private sealed class Told<T>(Action<T> take) : IProgress<T>
    {
        public void Report(T value) => take(value);
    }
}

using System.Collections.Immutable;

namespace Marionette.Sessions;

/// <content>
/// Live output to the gateways: each is told once, whatever the number of its readers. What a gateway misses it finds in the log, so telling may
/// be skipped when one cannot keep up.
/// </content>
internal sealed partial class SessionGrain
{
    private const int LeaseSeconds = 30;

    /// <summary>Messages under way to one gateway before the next are left out.</summary>
    private const int MaxUnderWay = 16;

    private readonly Dictionary<ISessionObserver, Listener> _listeners = [];

    public ValueTask<SessionFeedLease> ListenAsync(ISessionObserver observer, CancellationToken cancellationToken)
    {
        var until = Now + TimeSpan.FromSeconds(LeaseSeconds);
        if (_listeners.TryGetValue(observer, out var known)) known.Until = until;
        else _listeners[observer] = new Listener { Until = until };
        return ValueTask.FromResult(new SessionFeedLease(_state.Seq, LeaseSeconds));
    }

    public ValueTask UnlistenAsync(ISessionObserver observer, CancellationToken cancellationToken)
    {
        _listeners.Remove(observer);
        return ValueTask.CompletedTask;
    }

    private void Publish(ImmutableArray<LoggedEvent> events)
    {
        if (_listeners.Count == 0) return;
        var now = Now;
        foreach (var (observer, listener) in _listeners.ToArray())
        {
            if (listener.Until < now) _listeners.Remove(observer);
            else if (listener.UnderWay < MaxUnderWay) Tell(observer, listener, events);
        }
    }

    private async void Tell(ISessionObserver observer, Listener listener, ImmutableArray<LoggedEvent> events)
    {
        listener.UnderWay++;
        try
        {
            await observer.OnEventsAsync(events);
        }
        catch (Exception)
        {
            // The gateway is gone or slow: it renews its lease and reads the log, or the lease ends.
            if (_listeners.GetValueOrDefault(observer) == listener) _listeners.Remove(observer);
        }
        finally
        {
            listener.UnderWay--;
        }
    }

    private sealed class Listener
    {
        public DateTimeOffset Until { get; set; }

        public int UnderWay { get; set; }
    }
}

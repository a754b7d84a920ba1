using System.Collections.Immutable;
using System.Text;
using Marionette.Gateway.Streams;
using Marionette.Sessions;

namespace Marionette.Gateway.Tests.Support;

/// <summary>
/// A session's log with its grain in front of it: appends are durable at once, and the ear hears of them when the test says so, late,
/// in another order, or never.
/// </summary>
internal sealed class FakeLog : IEventStore
{
    public const string Tenant = "acme", Session = "sess_0VblLnwqr5JQkdmN";

    private const int PageEvents = 5;
    private readonly Lock gate = new();
    private readonly List<LoggedEvent> events = [];
    private ISessionObserver? ear;
    private int failures;

    public FakeLog()
    {
        var session = Fake<ISessionGrain>.Create((method, arguments) => method.Name switch
        {
            nameof(ISessionGrain.ListenAsync) => new ValueTask<SessionFeedLease>(Listen((ISessionObserver)arguments[0]!)),
            nameof(ISessionGrain.UnlistenAsync) => new ValueTask(Task.Run(() => Volatile.Write(ref ear, null))),
            _ => throw new NotSupportedException(method.Name),
        });
        Grains = Fake<IGrainFactory>.Create((method, arguments) => method.Name switch
        {
            nameof(IGrainFactory.GetGrain) => session,
            nameof(IGrainFactory.CreateObjectReference) => arguments[0],
            nameof(IGrainFactory.DeleteObjectReference) => null,
            _ => throw new NotSupportedException(method.Name),
        });
    }

    public IGrainFactory Grains { get; }

    public int Reads { get; private set; }

    public long Head
    {
        get { lock (gate) return events.Count; }
    }

    /// <summary>The next calls of the store and the grain fail.</summary>
    public void FailNext(int calls) => Volatile.Write(ref failures, calls);

    public ImmutableArray<LoggedEvent> Append(int count, int size = 10)
    {
        lock (gate)
        {
            for (var i = 0; i < count; i++)
            {
                var seq = events.Count + 1;
                var payload = Encoding.UTF8.GetBytes($"{{\"n\":{seq},\"fill\":\"{new string('x', size)}\"}}");
                events.Add(new(seq, seq % 3 == 0 ? "text" : "task.started", "task_1", null, 0, DateTimeOffset.UnixEpoch, payload));
            }
            return [.. events.TakeLast(count)];
        }
    }

    public async Task TellAsync(ImmutableArray<LoggedEvent> told)
    {
        if (Volatile.Read(ref ear) is { } listener) await listener.OnEventsAsync(told);
    }

    public Task<long?> HeadAsync(string tenant, string session, CancellationToken cancellationToken) => Task.FromResult<long?>(Head);

    public async Task<List<EventBlock>> ReadSessionAsync(string tenant, string session, long after, CancellationToken cancellationToken)
    {
        await Task.Yield();
        ThrowIfFailing();
        lock (gate)
        {
            Reads++;
            return EventBlockBuilder.BuildLog(StreamPosition.OfSeq(after), events.Skip((int)after).Take(PageEvents).Select(e =>
                new SourceEvent(StreamPosition.OfSeq(e.Seq), e.Seq, e.Type, Session, e.TaskId, e.RunId, e.At,
                    e.Payload.Length > EventBlockBuilder.LargePayload ? default : e.Payload, e.Payload.Length)));
        }
    }

    public async Task<byte[]> ReadPayloadAsync(string session, long seq, long offset, int length, CancellationToken cancellationToken)
    {
        await Task.Yield();
        lock (gate) return events[(int)seq - 1].Payload.Skip((int)offset).Take(length).ToArray();
    }

    public Task<StreamPosition> TenantHeadAsync(string tenant, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<EventPage> ReadTenantAsync(string tenant, StreamPosition after, int limit, TypeFilter filter, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<byte[]> ReadTenantPayloadAsync(string tenant, StreamPosition position, long offset, int length, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    private SessionFeedLease Listen(ISessionObserver observer)
    {
        ThrowIfFailing();
        Volatile.Write(ref ear, observer);
        return new SessionFeedLease(Head, 30);
    }

    private void ThrowIfFailing()
    {
        if (Interlocked.Decrement(ref failures) >= 0) throw new TimeoutException("The part is away, as the test wants it.");
    }
}

using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Marionette.Cli.Api;

/// <summary>What a feed reports about its connection; the events themselves never repeat and never skip.</summary>
internal sealed class FeedNotices
{
    /// <summary>The connection is gone and is being made again. Called once a break, not once a try.</summary>
    public Action<string> Lost { get; init; } = _ => { };

    /// <summary>Events flow again after a break.</summary>
    public Action Restored { get; init; } = () => { };
}

/// <summary>
/// A session's events over server-sent events, each exactly once and in order, across any number of broken connections: the reader asks
/// again from the last seq it has, drops what it has seen, and treats a hole in the numbers as a broken connection.
/// </summary>
internal sealed class EventFeed(ApiClient api, TimeProvider clock, FeedNotices? notices = null)
{
    /// <summary>The server beats every few seconds; this much silence means that the connection is dead without having said so.</summary>
    public static readonly TimeSpan SilenceLimit = TimeSpan.FromSeconds(45);

    /// <summary>How long the feed goes on trying to get a connection back before it gives up.</summary>
    public static readonly TimeSpan PatienceLimit = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Steady = TimeSpan.FromSeconds(10);

    private readonly FeedNotices notices = notices ?? new FeedNotices();

    /// <summary>Stored events after <paramref name="after"/> (0 = all), then those to come, until the caller stops.</summary>
    /// <exception cref="ApiException">The server refuses: unknown session, missing scope.</exception>
    /// <exception cref="CliException">Nothing but trouble for <see cref="PatienceLimit"/>.</exception>
    public async IAsyncEnumerable<SessionEvent> ReadAsync(string sessionId, long after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var last = after;
        var pause = FirstPause;
        var announced = false;
        long? failingSince = null;
        while (true)
        {
            string? trouble = null;
            var opened = clock.GetTimestamp();
            await using (var connection = await ConnectAsync(sessionId, last, error => trouble = error, cancellationToken).ConfigureAwait(false))
            {
                if (connection is not null && announced)
                {
                    announced = false;
                    notices.Restored();
                }
                while (connection is not null && trouble is null)
                {
                    (var entry, trouble) = await connection.NextAsync(cancellationToken).ConfigureAwait(false);
                    if (entry is null || entry.Seq <= last)
                        continue;
                    if (entry.Seq != last + 1)
                    {
                        trouble = $"event {last + 1} is missing, {entry.Seq} came";
                        continue;
                    }
                    last = entry.Seq;
                    pause = FirstPause;
                    failingSince = null;
                    yield return entry;
                }
                // A connection that held for a while was a good one, even if the session had nothing to say.
                if (connection is not null && clock.GetElapsedTime(opened) > Steady)
                    failingSince = null;
            }
            if (failingSince is null)
            {
                failingSince = clock.GetTimestamp();
                announced = true;
                notices.Lost(trouble ?? "the connection ended");
            }
            else if (clock.GetElapsedTime(failingSince.Value) > PatienceLimit)
            {
                throw new CliException($"no events from {api.Endpoint} for {PatienceLimit.TotalMinutes:0} minutes ({trouble})",
                    $"The session goes on without a reader; 'marionette sessions attach {sessionId}' shows it again.");
            }
            await Task.Delay(pause, clock, cancellationToken).ConfigureAwait(false);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }

    private async Task<Connection?> ConnectAsync(string sessionId, long after, Action<string> failed, CancellationToken cancellationToken)
    {
        try
        {
            var path = $"/api/v1/sessions/{Uri.EscapeDataString(sessionId)}/events?after={after}";
            var response = await api.OpenStreamAsync(path, after, cancellationToken).ConfigureAwait(false);
            return await Connection.OpenAsync(response, clock, cancellationToken).ConfigureAwait(false);
        }
        catch (ApiException error) when (error.IsTransient || (int)error.Status >= 500)
        {
            failed(error.Message);
        }
        catch (Exception error) when (error is HttpRequestException or IOException)
        {
            failed("the server cannot be reached");
        }
        return null;
    }

    /// <summary>One connection: the next event, or what ended it.</summary>
    private sealed class Connection(HttpResponseMessage response, WatchedStream stream, IAsyncEnumerator<SseItem<string>> items) : IAsyncDisposable
    {
        public static async Task<Connection> OpenAsync(HttpResponseMessage response, TimeProvider clock, CancellationToken cancellationToken)
        {
            var body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            var watched = new WatchedStream(body, SilenceLimit, clock);
            return new Connection(response, watched, SseParser.Create(watched).EnumerateAsync(cancellationToken).GetAsyncEnumerator(cancellationToken));
        }

        public async Task<(SessionEvent? Event, string? Trouble)> NextAsync(CancellationToken cancellationToken)
        {
            try
            {
                if (!await items.MoveNextAsync().ConfigureAwait(false))
                    return (null, "the server closed the stream");
                return (SessionEvent.Parse(items.Current.Data), null);
            }
            catch (JsonException)
            {
                return (null, "the server sent something that is no event");
            }
            catch (TimeoutException)
            {
                return (null, $"nothing came for {SilenceLimit.TotalSeconds:0} s");
            }
            catch (Exception error) when (error is HttpRequestException or IOException && !cancellationToken.IsCancellationRequested)
            {
                return (null, "the connection broke");
            }
        }

        public async ValueTask DisposeAsync()
        {
            await items.DisposeAsync().ConfigureAwait(false);
            await stream.DisposeAsync().ConfigureAwait(false);
            response.Dispose();
        }
    }
}

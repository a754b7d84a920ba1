using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Marionette.Cli.Output;

namespace Marionette.Cli.Api;

/// <summary>
/// The permission requests of all sessions: those that are open now, then the tenant's events about them, each once, across any number of broken
/// connections.
/// </summary>
internal sealed class InboxFeed(ApiClient api, TimeProvider clock, FeedNotices notices)
{
    private const string Types = "types=permission.*";

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly HashSet<string> known = [];
    private string? cursor;

    /// <exception cref="ApiException">The server refuses.</exception>
    public async IAsyncEnumerable<InboxEntry> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            using var response = await ConnectAsync(cancellationToken).ConfigureAwait(false);
            if (response is not null)
            {
                notices.Restored();
                // Listened first, asked second: what comes in between is there twice rather than never.
                if (cursor is null)
                {
                    foreach (var open in (await api.GetAsync("/api/v1/permissions?status=pending&limit=200", cancellationToken).ConfigureAwait(false)).Items("items").Reverse())
                    {
                        if (known.Add(open.Text("id") ?? ""))
                            yield return new InboxEntry("permission.requested", open);
                    }
                }

                await foreach (var item in ItemsAsync(response, cancellationToken).ConfigureAwait(false))
                {
                    cursor = item.Text("cursor") ?? cursor;
                    if (item.Text("type") is not { } type || item.Member("data") is not { } data)
                        continue;
                    if (type != "permission.requested" || known.Add(data.Text("permission_id") ?? ""))
                        yield return new InboxEntry(type, item);
                }
            }

            notices.Lost("the connection ended");
            await Task.Delay(Pause, clock, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<HttpResponseMessage?> ConnectAsync(CancellationToken cancellationToken)
    {
        try
        {
            var path = cursor is null ? $"/api/v1/events?{Types}" : $"/api/v1/events?{Types}&after={Uri.EscapeDataString(cursor)}";
            return await api.OpenStreamAsync(path, null, cancellationToken).ConfigureAwait(false);
        }
        catch (ApiException error) when (error.IsTransient || (int)error.Status >= 500)
        {
            return null;
        }
        catch (Exception error) when (error is HttpRequestException or IOException)
        {
            return null;
        }
    }

    private async IAsyncEnumerable<JsonElement> ItemsAsync(HttpResponseMessage response, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        await using var watched = new WatchedStream(body, EventFeed.SilenceLimit, clock);
        await using var items = SseParser.Create(watched).EnumerateAsync(cancellationToken).GetAsyncEnumerator(cancellationToken);
        while (true)
        {
            JsonElement item;
            try
            {
                if (!await items.MoveNextAsync().ConfigureAwait(false))
                    yield break;
                item = JsonRead.Parse(items.Current.Data);
            }
            catch (Exception error) when (error is HttpRequestException or IOException or TimeoutException or JsonException && !cancellationToken.IsCancellationRequested)
            {
                yield break;
            }

            yield return item;
        }
    }
}

/// <summary>Something in the inbox.</summary>
/// <param name="Type">The event's type.</param>
/// <param name="Json">The event, or the request itself for one that was open before.</param>
internal sealed record InboxEntry(string Type, JsonElement Json)
{
    /// <summary>What the event says; of a request, the request.</summary>
    public JsonElement Data => Json.Member("data") ?? Json;

    public string Id => Data.Text("permission_id") ?? Data.Text("id") ?? "";

    public string? Session => Json.Text("session_id");
}

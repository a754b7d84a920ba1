using System.Buffers.Text;
using System.Net.Http.Headers;
using Marionette.Bench.Stack;

namespace Marionette.Bench.Clients;

/// <summary>
/// Reads an SSE stream as cheaply as one can and still check it: every <c>id:</c> must follow the one before.
/// </summary>
internal sealed class SseClient(HttpClient http, string path)
{
    /// <summary>A line of data, without its prefix; called for each event when set.</summary>
    public SseLine? OnData { get; init; }

    /// <summary>Id of the newest event.</summary>
    public long Last { get; private set; }

    /// <summary>Completes when the stream is open.</summary>
    public Task Opened => _opened.Task;

    private readonly TaskCompletionSource _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Reads until an event with this id has come.</summary>
    /// <exception cref="InvalidDataException">An event is missing or came twice.</exception>
    public async Task ReadToAsync(long until, long after, CancellationToken cancellationToken)
    {
        Last = after;
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        response.EnsureSuccessStatusCode();
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        _opened.TrySetResult();
        var buffer = new byte[128 * 1024];
        var kept = 0;
        while (Last < until)
        {
            var read = await stream.ReadAsync(buffer.AsMemory(kept), cancellationToken);
            if (read == 0) throw new EndOfStreamException($"The stream ended after {Last} of {until}.");
            var taken = Take(buffer.AsSpan(0, kept + read));
            kept = kept + read - taken;
            buffer.AsSpan(taken, kept).CopyTo(buffer);
        }
    }

    /// <summary>Submits a task to the session, reads its events until <paramref name="enough"/> says so, and waits until the session is idle.</summary>
    public async Task ReadTaskAsync(BenchStack stack, string session, long after, CancellationTokenSource enough, CancellationToken cancellationToken)
    {
        var reading = ReadToAsync(long.MaxValue, after, enough.Token);
        await Task.WhenAny(Opened, reading);
        await stack.Api.SubmitAsync(session, "go");
        try
        {
            await reading.WaitAsync(TimeSpan.FromMinutes(2), cancellationToken);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // All that was waited for is there.
        }

        await stack.Api.UntilAsync(session, view => !view.TryGetProperty("current_task_id", out _), cancellationToken);
    }

    private int Take(ReadOnlySpan<byte> bytes)
    {
        var taken = 0;
        while (bytes[taken..].IndexOf((byte)'\n') is >= 0 and var length)
        {
            var line = bytes.Slice(taken, length);
            taken += length + 1;
            if (line.StartsWith("id: "u8)) Follow(line[4..]);
            else if (OnData is not null && line.StartsWith("data: "u8)) OnData(line[6..]);
        }

        return taken;
    }

    private void Follow(ReadOnlySpan<byte> text)
    {
        if (!Utf8Parser.TryParse(text, out long id, out _) || id != Last + 1) throw new InvalidDataException($"{Last} is followed by {System.Text.Encoding.ASCII.GetString(text)}.");
        Last = id;
    }
}

/// <summary>Takes a line of a stream; it is valid during the call only.</summary>
internal delegate void SseLine(ReadOnlySpan<byte> line);

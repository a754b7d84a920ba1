using System.Diagnostics;
using Marionette.Bench.Runners;
using Marionette.Bench.Stack;

namespace Marionette.Bench.Clients;

/// <summary>
/// A client of a session whose task is the <see cref="Ticker"/>: it asks for the session ten times a second, each question without waiting for the one
/// before, and reads its stream, coming back where it stood whenever that breaks. It keeps when what was sent and answered.
/// </summary>
internal sealed class SessionProbe : IAsyncDisposable
{
    private static readonly TimeSpan AskPause = TimeSpan.FromMilliseconds(100), ReadPause = TimeSpan.FromMilliseconds(50);

    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private readonly List<Question> _questions = [];
    private readonly List<(long Printed, long Heard)> _lines = [];
    private readonly ApiClient _api;
    private readonly Task _asking, _reading;

    public SessionProbe(ApiClient api, string session)
    {
        (_api, Session) = (api, session);
        _asking = Task.Run(AskAsync);
        _reading = Task.Run(ReadAsync);
    }

    public string Session { get; }

    /// <summary>Seconds from a moment to the first answer to a question that was sent after it; null when there is none yet.</summary>
    public double? AnsweredAfter(long moment) =>
        Locked(() => SecondsTo(moment, _questions.Where(question => question.Sent >= moment && question.IsAnswered).Min(question => question.Ended)));

    /// <summary>Seconds from a moment until a line came that was printed after it; null when none has come yet.</summary>
    /// <exception cref="InvalidDataException">An event of the stream is missing or came twice.</exception>
    public double? HeardAfter(long moment)
    {
        if (_reading.IsFaulted) _reading.GetAwaiter().GetResult();
        return Locked(() => SecondsTo(moment, _lines.Where(line => line.Printed >= moment).Min(line => (long?)line.Heard)));
    }

    /// <summary>
    /// Seconds for which each one waited for an answer who had asked before a moment and had none, or asked after it. Who is refused asks again.
    /// </summary>
    public List<double> WaitsSince(long moment) => Locked(() => _questions.Where(question => question.Ended >= moment).Select(question =>
        SecondsTo(question.Sent, question.IsAnswered ? question.Ended : NextAnswer(question.Ended!.Value) ?? question.Ended)!.Value).ToList());

    /// <summary>Whether every question that was sent before a moment has ended.</summary>
    public bool IsDoneBefore(long moment) => Locked(() => _questions.TrueForAll(question => question.Sent >= moment || question.Ended is not null));

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_asking, _reading);
        _stop.Dispose();
    }

    private static double? SecondsTo(long from, long? to) => to is { } end ? Stopwatch.GetElapsedTime(from, end).TotalSeconds : null;

    private long? NextAnswer(long moment) => _questions.Where(question => question.Sent >= moment && question.IsAnswered).Min(question => question.Ended);

    private T Locked<T>(Func<T> read)
    {
        lock (_gate) return read();
    }

    private async Task AskAsync()
    {
        var open = new List<Task>();
        using var pace = new PeriodicTimer(AskPause);
        try
        {
            while (await pace.WaitForNextTickAsync(_stop.Token)) open.Add(AskOnceAsync());
        }
        catch (OperationCanceledException)
        {
            // The end.
        }

        await Task.WhenAll(open);
    }

    private async Task AskOnceAsync()
    {
        var question = new Question { Sent = Stopwatch.GetTimestamp() };
        lock (_gate) _questions.Add(question);
        var answered = false;
        try
        {
            using var answer = await _api.Http.GetAsync($"/api/v1/sessions/{Session}", _stop.Token);
            answered = answer.IsSuccessStatusCode;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            // No answer.
        }

        lock (_gate) (question.Ended, question.IsAnswered) = (Stopwatch.GetTimestamp(), answered);
    }

    private async Task ReadAsync()
    {
        for (var last = 0L; !_stop.IsCancellationRequested;)
        {
            var client = new SseClient(_api.Http, $"/api/v1/sessions/{Session}/events?after={last}") { OnData = Take };
            try
            {
                await client.ReadToAsync(long.MaxValue, last, _stop.Token);
            }
            catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
            {
                if (_stop.IsCancellationRequested) return;
                await Task.Delay(ReadPause);
            }

            last = client.Last;
        }
    }

    private void Take(ReadOnlySpan<byte> line)
    {
        if (!Ticker.TryRead(line, out var printed)) return;
        lock (_gate) _lines.Add((printed, Stopwatch.GetTimestamp()));
    }

    private sealed class Question
    {
        public required long Sent { get; init; }

        /// <summary>Null while it is open.</summary>
        public long? Ended { get; set; }

        public bool IsAnswered { get; set; }
    }
}

using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Marionette.Bench.Clients;
using Marionette.Bench.Measuring;
using Marionette.Bench.Stack;

namespace Marionette.Bench.Figures;

/// <summary>Short tasks on many runners, against the rate at which they would end if dispatching them took no time.</summary>
internal sealed class TaskRate : IMeasurement
{
    private const int Runners = 50, TasksEach = 4;
    private const double Seconds = 0.2, Ideal = Runners / Seconds;

    public string Name => "tasks";

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var stack = await BenchStack.WithAgentsAsync(options, cancellationToken);
        var sessions = await Task.WhenAll(Enumerable.Range(0, Runners).Select(_ => stack.Api.CreateSessionAsync("sleep", "0.2")));
        await Parallel.ForEachAsync(sessions, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancellationToken }, async (session, token) =>
        {
            await stack.Api.PostAsync($"/api/v1/sessions/{session}/resume", null, token);
            await stack.Api.UntilAsync(session, view => view.GetProperty("status").GetString() == "active", token);
        });

        Series rate = new(), p50 = new(), p99 = new();
        for (var round = -1; round < options.Rounds; round++)
        {
            var (perSecond, gaps) = await RoundAsync(stack, sessions, cancellationToken);
            if (round < 0) continue;
            rate.Add(perSecond, Ideal);
            p50.Add(Series.Percentile(gaps, 0.5), double.NaN);
            p99.Add(Series.Percentile(gaps, 0.99), double.NaN);
        }

        yield return rate.ToFigure(
            Name, "tasks/s", Goal.RatioAtLeast(0.9),
            $"{Runners} runners, {Runners * TasksEach} tasks of `sleep 0.2`, first submit to last end as a client sees it; floor: the ideal. Limit: fork and exec of {Runners} children at once on this machine's cores");
        const string Gap = "dispatch: from the moment a task could run (created, and the session's task before it has ended) to task.started, by the events' times";
        yield return p50.ToFigure($"{Name}/dispatch-p50", "ms", Goal.AtMost(20), Gap) with { Floor = null, Ratio = null };
        yield return p99.ToFigure($"{Name}/dispatch-p99", "ms", null, Gap) with { Floor = null, Ratio = null };
    }

    private static async Task<(double PerSecond, List<double> Gaps)> RoundAsync(BenchStack stack, string[] sessions, CancellationToken cancellationToken)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        enough.CancelAfter(TimeSpan.FromMinutes(2));
        var gaps = new List<double>();
        var open = 0;
        var streams = new List<Task>();
        foreach (var session in sessions)
        {
            var head = (await stack.Api.GetAsync($"/api/v1/sessions/{session}", cancellationToken)).GetProperty("last_seq").GetInt64();
            var watch = new SessionWatch(TasksEach);
            var client = new SseClient(stack.Api.Http, $"/api/v1/sessions/{session}/events?after={head}") { OnData = watch.Take };
            var reading = client.ReadToAsync(long.MaxValue, head, enough.Token);
            await Task.WhenAny(client.Opened, reading);
            Interlocked.Increment(ref open);
            streams.Add(watch.Done.ContinueWith(done => { lock (gaps) gaps.AddRange(done.GetAwaiter().GetResult()); }, TaskScheduler.Default));
        }

        var began = Stopwatch.GetTimestamp();
        await Parallel.ForEachAsync(
            Enumerable.Range(0, Runners * TasksEach), new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = cancellationToken },
            async (n, _) => await stack.Api.SubmitAsync(sessions[n % sessions.Length], "go"));
        await Task.WhenAll(streams).WaitAsync(enough.Token);
        var took = Stopwatch.GetElapsedTime(began).TotalSeconds;
        await enough.CancelAsync();
        return (Runners * TasksEach / took, gaps);
    }

    /// <summary>A session's tasks as its stream tells them.</summary>
    private sealed class SessionWatch(int tasks)
    {
        private readonly TaskCompletionSource<List<double>> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Dictionary<string, DateTimeOffset> _created = [];
        private readonly List<double> _gaps = [];
        private DateTimeOffset _free;
        private int _ended;

        /// <summary>Completes when the session's tasks have ended; milliseconds that each one waited for nothing but its dispatch.</summary>
        public Task<List<double>> Done => _done.Task;

        public void Take(ReadOnlySpan<byte> line)
        {
            if (line.IndexOf("\"task_id\":"u8) < 0) return;
            var reader = new Utf8JsonReader(line);
            using var document = JsonDocument.ParseValue(ref reader);
            var (e, task) = (document.RootElement, document.RootElement.GetProperty("task_id").GetString()!);
            var time = e.GetProperty("time").GetDateTimeOffset();
            switch (e.GetProperty("type").GetString())
            {
                case "task.created":
                    _created[task] = time;
                    break;
                case "task.started":
                    var could = _created[task] > _free ? _created[task] : _free;
                    _gaps.Add((time - could).TotalMilliseconds);
                    break;
                case "task.completed":
                    _free = time;
                    if (++_ended == tasks) _done.TrySetResult(_gaps);
                    break;
                case "task.failed":
                    _done.TrySetException(new InvalidOperationException(e.ToString()));
                    break;
            }
        }
    }
}

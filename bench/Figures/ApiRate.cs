using System.Diagnostics;
using System.Runtime.CompilerServices;
using Marionette.Bench.Floors;
using Marionette.Bench.Measuring;
using Marionette.Bench.Runners;
using Marionette.Bench.Stack;

namespace Marionette.Bench.Figures;

/// <summary>Requests a second and their slowest hundredth: reading a session, and submitting a task, against one query and one insert.</summary>
internal sealed class ApiRate : IMeasurement
{
    private const int Callers = 16;

    public string Name => "api";

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var stack = await BenchStack.WithStandInsAsync(options, cancellationToken);
        await using var floor = await FloorProcess.StartAsync(stack, cancellationToken);
        using var bare = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = new Uri(floor.Url) };
        // Tasks wait behind one that never ends, spread over sessions as in life; a queue of its own for every session.
        var runners = await Task.WhenAll(Enumerable.Range(0, options.Scale(50)).Select(async _ =>
            await SyntheticRunner.ConnectAsync(stack, await stack.Api.CreateSessionAsync("true"), cancellationToken)));
        var sessions = runners.Select(runner => runner.Session).ToArray();

        var gets = new Both();
        for (var round = -1; round < options.Rounds; round++)
            await gets.AddAsync(
                round >= 0, options.Scale(8_000),
                n => bare.GetAsync($"/rows/{sessions[n % sessions.Length]}", cancellationToken),
                n => stack.Api.Http.GetAsync($"/api/v1/sessions/{sessions[n % sessions.Length]}", cancellationToken));
        const string Get = "GET session: the grain answers from memory, no query; floor: one query in a minimal API";
        yield return gets.Rate.ToFigure("api/get-session", "requests/s", null, $"{Get}; {Callers} callers");
        yield return gets.Slow.ToFigure("api/get-session-p99", "ms", null, Get);

        var posts = new Both();
        for (var round = -1; round < options.Rounds; round++)
            await posts.AddAsync(
                round >= 0, options.Scale(500),
                n => bare.PostAsync("/rows", Body(sessions[n % sessions.Length]), cancellationToken),
                n => stack.Api.Http.PostAsync("/api/v1/tasks", Body(sessions[n % sessions.Length]), cancellationToken));
        const string Post = "POST task: checked, one event and two rows (task, session) in one commit, then answered; floor: one insert in a minimal API";
        yield return posts.Rate.ToFigure("api/post-task", "requests/s", null, $"{Post}; {Callers} callers");
        yield return posts.Slow.ToFigure("api/post-task-p99", "ms", null, Post);
        foreach (var runner in runners) await runner.DisposeAsync();
    }

    private static JsonContent Body(string session) => JsonContent.Create(new { session_id = session, prompt = "Say what this folder holds." });

    /// <summary>Rate and 99th percentile of floor and value.</summary>
    private sealed class Both
    {
        public Series Rate { get; } = new();

        public Series Slow { get; } = new();

        public async Task AddAsync(bool counts, int requests, Func<int, Task<HttpResponseMessage>> floor, Func<int, Task<HttpResponseMessage>> value)
        {
            var bare = await LoadAsync(requests, floor);
            var real = await LoadAsync(requests, value);
            if (!counts) return;
            Rate.Add(real.PerSecond, bare.PerSecond);
            Slow.Add(real.P99, bare.P99);
        }

        private static async Task<(double PerSecond, double P99)> LoadAsync(int requests, Func<int, Task<HttpResponseMessage>> send)
        {
            var latencies = new double[requests];
            var next = -1;
            var began = Stopwatch.GetTimestamp();
            await Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Task.Run(async () =>
            {
                while (Interlocked.Increment(ref next) is var n && n < requests)
                {
                    var at = Stopwatch.GetTimestamp();
                    using var response = await send(n);
                    if (!response.IsSuccessStatusCode) throw new HttpRequestException($"{(int)response.StatusCode} {await response.Content.ReadAsStringAsync()}");
                    await response.Content.LoadIntoBufferAsync();
                    latencies[n] = Stopwatch.GetElapsedTime(at).TotalMilliseconds;
                }
            })));
            return (requests / Stopwatch.GetElapsedTime(began).TotalSeconds, Series.Percentile(latencies, 0.99));
        }
    }
}

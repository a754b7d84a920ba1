using System.Globalization;
using System.Runtime.CompilerServices;
using Marionette.Bench.Measuring;
using Marionette.Bench.Stack;

namespace Marionette.Bench.Figures;

/// <summary>
/// How fast a runner computes beside one that takes all that it can get, against its own speed alone, in turns: both in sandboxes of one kind on a
/// pool's host, with one core each.
/// </summary>
internal sealed class Neighbours : IMeasurement
{
    private const int Seconds = 8;
    private const double Enough = 0.8;

    // A line a second: how far it counted. What it prints waits for nobody, so the seconds are its own.
    private static readonly string Count = string.Create(CultureInfo.InvariantCulture, $$"""
        exec python3 -c "
        import time
        for second in range({{Seconds}}):
          end = time.monotonic() + 1; n = 0
          while time.monotonic() < end: n += 1
          print('n', n, flush=True)
        "
        """);

    // Those of the escape tests; one that the kernel ends begins anew.
    private static readonly (string Name, string Script)[] Hogs =
    [
        ("processor", "for i in 1 2 3 4 5 6 7 8; do while :; do :; done & done; echo up; wait"),
        ("fork-bomb", "bomb() { bomb | bomb & }; echo up; bomb; while true; do sleep 1 || true; done"),
        ("memory", "echo up; while true; do python3 -c \"held = []\nwhile True: held.append(bytearray(b'x' * 1048576))\"; done"),
    ];

    private readonly string _kind;

    private Neighbours(string name, string kind) => (Name, _kind) = (name, kind);

    public string Name { get; }

    public string? Missing => _kind == "runsc" ? PoolStack.Hindrance(_kind) : null;

    public static Neighbours Bwrap() => new("neighbours-bwrap", "bwrap");

    public static Neighbours Gvisor() => new("neighbours-gvisor", "runsc");

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var stack = await PoolStack.StartAsync(options, _kind, cancellationToken);
        var victim = await stack.CreateShellAsync(cancellationToken);
        await SpeedAsync(stack.Api, victim, cancellationToken);
        foreach (var (hog, script) in Hogs)
        {
            var speed = new Series();
            for (var round = 0; round < options.Rounds; round++)
            {
                var alone = await SpeedAsync(stack.Api, victim, cancellationToken);
                double beside;
                await using (await Hog.StartAsync(stack, script, cancellationToken)) beside = await SpeedAsync(stack.Api, victim, cancellationToken);
                await stack.UntilRunnersAsync(1, cancellationToken);
                speed.Add(beside / 1e6, alone / 1e6);
            }

            yield return speed.ToFigure(
                $"{Name}/{hog}", "million/s", Goal.RatioAtLeast(Enough),
                $"counts of a loop in a {_kind} sandbox with one core, median of {Seconds} seconds, beside a sandbox of the same profile that is the hog; "
                + "floor: the same sandbox, alone, right before");
        }
    }

    /// <summary>Median of the seconds of a task.</summary>
    private static async Task<double> SpeedAsync(ApiClient api, string session, CancellationToken cancellationToken)
    {
        var head = (await api.GetAsync($"/api/v1/sessions/{session}", cancellationToken)).GetProperty("last_seq").GetInt64();
        var task = await api.SubmitAsync(session, Count);
        var ended = await EndOfAsync(api, task, cancellationToken);
        if (ended != "completed") throw new InvalidOperationException($"The task that counts ended as {ended}.");
        var seconds = (await TextAsync(api, session, head, cancellationToken)).Split('\n').Where(line => line.StartsWith("n ", StringComparison.Ordinal))
            .Select(line => double.Parse(line.AsSpan(2), CultureInfo.InvariantCulture)).ToList();
        return seconds.Count == Seconds ? Series.Median(seconds) : throw new InvalidOperationException($"{seconds.Count} seconds came of {Seconds}.");
    }

    private static async Task<string> EndOfAsync(ApiClient api, string task, CancellationToken cancellationToken)
    {
        while (true)
        {
            var status = (await api.GetAsync($"/api/v1/tasks/{task}", cancellationToken)).GetProperty("status").GetString()!;
            if (status is "completed" or "failed" or "canceled" or "timed_out") return status;
            await Task.Delay(100, cancellationToken);
        }
    }

    private static async Task<string> TextAsync(ApiClient api, string session, long after, CancellationToken cancellationToken)
    {
        var events = await api.GetAsync($"/api/v1/sessions/{session}/events?types=log&after={after}", cancellationToken);
        return string.Join('\n', events.GetProperty("items").EnumerateArray().Select(e => e.GetProperty("data").GetProperty("content").GetString()));
    }

    /// <summary>A session whose task takes what it gets, for as long as it is not disposed.</summary>
    private sealed class Hog : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly ApiClient _api;
        private readonly string _session;
        private readonly Task _work;

        private Hog(ApiClient api, string session, string script)
        {
            (_api, _session) = (api, session);
            _work = WorkAsync(script);
        }

        public static async Task<Hog> StartAsync(PoolStack stack, string script, CancellationToken cancellationToken)
        {
            var hog = new Hog(stack.Api, await stack.CreateShellAsync(cancellationToken), script);
            while (!(await TextAsync(stack.Api, hog._session, 0, cancellationToken)).Contains("up", StringComparison.Ordinal))
            {
                if (hog._work.IsFaulted) await hog._work;
                await Task.Delay(50, cancellationToken);
            }

            return hog;
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _work;
            using var answer = await _api.Http.DeleteAsync($"/api/v1/sessions/{_session}", CancellationToken.None);
            answer.EnsureSuccessStatusCode();
            _stop.Dispose();
        }

        private async Task WorkAsync(string script)
        {
            try
            {
                while (!_stop.IsCancellationRequested) await EndOfAsync(_api, await _api.SubmitAsync(_session, script), _stop.Token);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                // It was enough.
            }
        }
    }
}

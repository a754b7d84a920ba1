using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Marionette.Bench.Clients;
using Marionette.Bench.Measuring;
using Marionette.Bench.Runners;
using Marionette.Bench.Stack;

namespace Marionette.Bench.Figures;

/// <summary>One of two silos is lost while sessions on both run tasks: how long do their clients wait?</summary>
internal sealed class Failover : IMeasurement
{
    private const int FewestSessions = 8, FewestOnASilo = 2, MostSessions = 32, LinesASecond = 20;

    /// <summary>What the loss of a silo may cost, in seconds.</summary>
    private const double Promise = 10;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2), Look = TimeSpan.FromMilliseconds(10), Calm = TimeSpan.FromSeconds(2);

    private readonly int _signal, _rounds;
    private readonly string _loss;
    private readonly Goal? _goal;

    private Failover(string name, int signal, string loss, int rounds, Goal? goal) =>
        (Name, _signal, _loss, _rounds, _goal) = (name, signal, loss, rounds, goal);

    public string Name { get; }

    /// <summary>Its process is killed: its connections are closed by the kernel.</summary>
    public static Failover Killed() => new("failover", ServerProcess.SigKill, "kill -9", 6, Goal.AtMost(Promise));

    /// <summary>Its process stands still: its connections stay open, as those of a machine that vanishes.</summary>
    public static Failover Hung() => new("failover-hung", ServerProcess.SigStop, "kill -STOP", 2, null);

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var rounds = new List<Round>();
        await using (var stack = await SplitStack.StartAsync(options, silos: 2, cancellationToken))
        {
            while (rounds.Count < (options.Quick ? Math.Min(2, _rounds) : _rounds))
            {
                if (rounds.Count > 0) await stack.StartSiloAsync(cancellationToken);
                rounds.Add(await RoundAsync(stack, cancellationToken));
            }
        }

        foreach (var figure in Tell(rounds)) yield return figure;
    }

    private IEnumerable<Figure> Tell(List<Round> rounds)
    {
        Series back = new();
        foreach (var round in rounds)
            foreach (var one in round.Lost) back.Add(Math.Max(one.Get, one.Stream), round.Detection);
        List<Outage> lost = [.. rounds.SelectMany(round => round.Lost)], others = [.. rounds.SelectMany(round => round.Others)];
        yield return back.ToFigure(
            $"{Name}/p50", "s", null,
            $"{_loss} of the silo that has a session, to an answered GET and to a stream that goes on, the later of both; "
            + $"{lost.Count} sessions in {rounds.Count} rounds; GET alone {Half(lost, one => one.Get)}, stream alone {Half(lost, one => one.Stream)}. "
            + "Floor: until the other silo has written into the membership table that it is dead, in the same round");
        yield return new Figure(
            $"{Name}/max", lost.Max(one => Math.Max(one.Get, one.Stream)), "s", rounds.Max(round => round.Detection), null, _goal,
            "the longest of the same; floor: the longest detection");
        yield return new Figure(
            $"{Name}/longest-get", lost.Max(one => one.Waits.Max()), "s", null, null, _goal,
            $"the same sessions: the longest wait of anybody whose GET was out at the loss or sent after it, and who asks again when refused; "
            + Late(lost));
        yield return new Figure(
            $"{Name}/others-max", others.Max(one => one.Waits.Max()), "s", null, null, _goal,
            $"the same for the {others.Count} sessions of the silo that lived on; {Late(others)}; "
            + $"their streams stood still for {Half(others, one => one.Stream)}, at most {Text(others.Max(one => one.Stream))}");
    }

    private async Task<Round> RoundAsync(SplitStack stack, CancellationToken cancellationToken)
    {
        var probes = new List<SessionProbe>();
        try
        {
            await OpenAsync(stack, probes, cancellationToken);
            var victim = stack.OwnerOf(probes[0].Session);
            var owned = probes.ToLookup(probe => stack.OwnerOf(probe.Session) == victim);
            var dead = await stack.DeadAsync(cancellationToken);

            var at = Stopwatch.GetTimestamp();
            stack.Lose(victim, _signal);
            while (await stack.DeadAsync(cancellationToken) == dead) await Task.Delay(Look, cancellationToken);
            var detection = Stopwatch.GetElapsedTime(at).TotalSeconds;
            await UntilAsync(
                () => probes.TrueForAll(probe => probe.AnsweredAfter(at) is not null && probe.HeardAfter(at) is not null), "every session to be back", cancellationToken);
            victim.Signal(ServerProcess.SigKill);
            await victim.DisposeAsync();

            // Questions from before are still out, and what is back must stay.
            await Task.Delay(Calm, cancellationToken);
            var calm = Stopwatch.GetTimestamp();
            await UntilAsync(() => probes.TrueForAll(probe => probe.IsDoneBefore(calm)), "the answers to all questions", cancellationToken);
            return new Round(detection, OutagesOf(owned[true]), OutagesOf(owned[false]));

            List<Outage> OutagesOf(IEnumerable<SessionProbe> some) =>
                [.. some.Select(probe => new Outage(probe.AnsweredAfter(at)!.Value, probe.HeardAfter(at)!.Value, probe.WaitsSince(at)))];
        }
        finally
        {
            foreach (var probe in probes) await probe.DisposeAsync();
            foreach (var probe in probes) await stack.Api.TerminateAsync(probe.Session, cancellationToken);
        }
    }

    /// <summary>Sessions with a task under way, until each silo has some.</summary>
    private static async Task OpenAsync(SplitStack stack, List<SessionProbe> probes, CancellationToken cancellationToken)
    {
        while (probes.Count < FewestSessions || stack.Silos.Any(silo => probes.Count(probe => stack.OwnerOf(probe.Session) == silo) < FewestOnASilo))
        {
            if (probes.Count == MostSessions)
                throw new InvalidOperationException($"{MostSessions} sessions, and one silo has fewer than {FewestOnASilo} of them");
            var session = await stack.Api.CreateSessionAsync(Environment.ProcessPath!, Ticker.Verb, $"{LinesASecond}", $"{LinesASecond * 600}");
            await stack.Api.SubmitAsync(session, "go");
            var probe = new SessionProbe(stack.Api, session);
            probes.Add(probe);
            await UntilAsync(() => probe.HeardAfter(0) is not null && probe.AnsweredAfter(0) is not null, $"the first line of {session}", cancellationToken);
        }
    }

    private static async Task UntilAsync(Func<bool> condition, string what, CancellationToken cancellationToken)
    {
        for (var began = Stopwatch.GetTimestamp(); !condition(); await Task.Delay(Look, cancellationToken))
            if (Stopwatch.GetElapsedTime(began) > Patience) throw new InvalidOperationException($"waited {Patience.TotalMinutes} min for {what}");
    }

    private static string Half(List<Outage> outages, Func<Outage, double> what) => Text(Series.Median([.. outages.Select(what)]));

    private static string Late(List<Outage> outages) =>
        $"{outages.Sum(one => one.Waits.Count(wait => wait > Promise))} of {outages.Sum(one => one.Waits.Count)} GETs waited longer than {Promise} s";

    private static string Text(double seconds) => $"{seconds.ToString("0.0", CultureInfo.InvariantCulture)} s";

    /// <summary>One loss.</summary>
    /// <param name="Detection">Seconds until the silo was declared dead.</param>
    /// <param name="Lost">What its sessions' clients saw.</param>
    /// <param name="Others">What those of the other silo's saw.</param>
    private sealed record Round(double Detection, List<Outage> Lost, List<Outage> Others);

    /// <summary>What the client of one session saw, in seconds.</summary>
    /// <param name="Get">Until a GET was answered that was sent after the loss.</param>
    /// <param name="Stream">Until a line came that was printed after the loss.</param>
    /// <param name="Waits">For the answer to each GET.</param>
    private sealed record Outage(double Get, double Stream, List<double> Waits);
}

using System.Runtime.CompilerServices;
using Marionette.Bench.Floors;
using Marionette.Bench.Measuring;
using Marionette.Bench.Runners;
using Marionette.Bench.Stack;
using Marionette.Bench.Workspaces;

namespace Marionette.Bench.Figures;

/// <summary>An idle session with files goes and comes back: what its user waits for, and what is stored, against tar and the same files.</summary>
/// <param name="size">What the figure calls it: <c>10mb</c>.</param>
/// <param name="bytes">Of the workspace.</param>
internal sealed class SuspendResume(string size, long bytes) : IMeasurement
{
    private const long Warm = 1_000_000;

    /// <summary>Of a hundred files, those that changed since the last checkpoint.</summary>
    private static readonly int[] Shares = [0, 1, 10];

    public string Name => $"suspend-resume/{size}";

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var steps = new Steps();
        await using (var stack = await BenchStack.WithAgentsAsync(options, cancellationToken))
        await using (var server = await HelloServer.StartAsync(cancellationToken))
        {
            for (var round = -1; round < options.Rounds; round++)
            {
                Task<double> BareAsync() => BareAgent.ToHelloAsync(options, server, within: null, cancellationToken);
                var (size, into) = round < 0 ? (Warm, new Steps()) : (options.Quick ? bytes / 10 : bytes, steps);
                await RoundAsync(stack, size, round, into, BareAsync, cancellationToken);
            }
        }

        foreach (var figure in steps.Tell(Name)) yield return figure;
    }

    private static async Task RoundAsync(
        BenchStack stack, long bytes, int round, Steps steps, Func<Task<double>> bareAsync, CancellationToken cancellationToken)
    {
        var session = await StoredSession.CreateAsync(stack, cancellationToken);
        // Other bytes in each round: what an earlier session of the tenant has stored is not stored again.
        SampleTree.SourceFiles(session.Workspace, bytes, round);
        await session.ResumeAsync("kept", cancellationToken);
        await SuspendAsync("first", "of a workspace that was never stored");
        foreach (var share in Shares)
        {
            var bare = await bareAsync();
            var kept = await session.ResumeAsync("kept", cancellationToken);
            steps.Add("resume-kept", kept, bare, "the files are there; floor: the bare agent, started by hand, to its hello");
            await session.RunTaskAsync(cancellationToken);
            SampleTree.Touch(session.Workspace, round, share);
            await SuspendAsync($"suspend-{share}", $"{share} % of the files changed since the runner's last checkpoint");
        }

        await session.ResumeAsync("kept", cancellationToken);
        await SuspendAsync("suspend-kept", "nothing has changed, and this runner found the folders as the one before had left them");

        var (_, unpack) = await TarFloor.MeasureAsync(session.Workspace, cancellationToken);
        session.ForgetFolders();
        var restored = await session.ResumeAsync("restored", cancellationToken);
        steps.Add("resume-restored", restored, unpack, "the files come from the store; floor: tar out of a file");
        await session.SuspendAsync(cancellationToken);
        await session.EndAsync(cancellationToken);

        async Task SuspendAsync(string step, string what)
        {
            var (pack, _) = await TarFloor.MeasureAsync(session.Workspace, cancellationToken);
            steps.Add(step, await session.SuspendAsync(cancellationToken), pack, what);
        }
    }

    /// <summary>What was measured of each step, in the order of their first time.</summary>
    private sealed class Steps
    {
        private readonly List<Step> _all = [];

        public void Add(string name, Return back, double floor, string what) =>
            Of(name, "a client's call to workspace.ready, of which the agent's opening of its folders", what).Add(back.Milliseconds, back.OpeningMs, floor);

        public void Add(string name, Departure gone, double floor, string what)
        {
            var step = Of(name, "a client's call to session.suspended, of which the agent's checkpoint", $"{what}; floor: tar of the same files into a file");
            step.Add(gone.Milliseconds, gone.CheckpointMs, floor);
            step.Stored.Add(gone.BytesStored / 1e6);
        }

        public IEnumerable<Figure> Tell(string name)
        {
            foreach (var step in _all)
            {
                yield return step.Times.ToFigure($"{name}/{step.Name}", "ms", null, $"{step.Begin} {Series.Median(step.Agent):0} ms: {step.End}");
                if (step.Stored.Count == 0) continue;
                yield return new Figure($"{name}/{step.Name}-stored", Series.Median(step.Stored), "MB", null, null, null, "of the same: added to the store");
            }
        }

        private Step Of(string name, string begin, string end)
        {
            if (_all.Find(step => step.Name == name) is { } found) return found;
            var made = new Step(name, begin, end);
            _all.Add(made);
            return made;
        }
    }

    private sealed record Step(string Name, string Begin, string End)
    {
        public Series Times { get; } = new();

        public List<double> Agent { get; } = [];

        public List<double> Stored { get; } = [];

        public void Add(double milliseconds, double agent, double floor)
        {
            Times.Add(milliseconds, floor);
            Agent.Add(agent);
        }
    }
}

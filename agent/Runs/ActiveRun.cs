using Marionette.Agent.Agents;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Runs;

/// <summary>The run that is under way.</summary>
internal sealed class ActiveRun(StartRun run, byte[] id, long startedAt) : IDisposable
{
    public StartRun Run { get; } = run;

    /// <summary>The run's id in UTF-8, as events carry it.</summary>
    public byte[] Id { get; } = id;

    /// <summary>Monotonic time of its start.</summary>
    public long StartedAt { get; } = startedAt;

    /// <summary>Cancelled when the driver shall end it.</summary>
    public CancellationTokenSource Stop { get; } = new();

    /// <summary>Outcome that an interrupt demands; null while there was none. The first one counts.</summary>
    public string? InterruptOutcome { get; private set; }

    public Task<RunResult> Execution { get; set; } = Task.FromResult(RunResult.Failed(ErrorCodes.Internal, "not started"));

    public void Interrupt(string outcome)
    {
        InterruptOutcome ??= outcome;
        Stop.Cancel();
    }

    public void Dispose() => Stop.Dispose();
}

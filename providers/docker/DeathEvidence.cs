using System.Globalization;
using System.Text.RegularExpressions;
using Docker.DotNet.Models;

namespace Marionette.Providers.Docker;

/// <summary>Reads out of what the engine kept of a container why it ended.</summary>
internal static partial class DeathEvidence
{
    private const int KilledCode = 128 + 9, TerminatedCode = 128 + 15;

    /// <summary>The engine's own code for a container whose end it did not see.</summary>
    private const int UnseenCode = 255;

    /// <param name="state">As the engine tells it.</param>
    /// <param name="lastWords">End of what the agent wrote.</param>
    /// <param name="engine">When the engine was away, as far as this process saw.</param>
    public static RunnerObservedState Of(ContainerState state, string lastWords, EngineGaps engine)
    {
        var code = (int)state.ExitCode;
        if (state.Status == "created")
            return new RunnerObservedState(RunnerState.Exited, null, DeathCauses.Exited, state.Error is { Length: > 0 } why
                ? why : "It was made and never started.");
        if (state.OOMKilled)
            return new RunnerObservedState(RunnerState.Exited, code, DeathCauses.OutOfMemory,
                "The kernel ended a process of the runner: it needed more memory than its profile has.");
        var ended = At(state.FinishedAt);
        if (code == UnseenCode || (code is 0 or KilledCode or TerminatedCode && ended is { } at && engine.Covers(at)))
            return new RunnerObservedState(RunnerState.Exited, code, DeathCauses.EngineRestarted,
                $"It ended at {ended:u} because the Docker Engine was stopped.");
        if (code != 0 && FullDisk().Match(lastWords) is { Success: true } full)
            return new RunnerObservedState(RunnerState.Exited, code, DeathCauses.DiskFull, $"The agent ended with exit code {code}: {full.Value.Trim()}");
        var last = lastWords.Length > 0 ? $" Its last words: {lastWords.Split('\n')[^1]}" : "";
        return code == KilledCode
            ? new RunnerObservedState(RunnerState.Exited, code, DeathCauses.Killed, "A signal that was not ours ended the agent." + last)
            : new RunnerObservedState(RunnerState.Exited, code, DeathCauses.Exited, $"The agent ended with exit code {code}." + last);
    }

    private static DateTimeOffset? At(string? text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : null;

    [GeneratedRegex("[^\n]*(No space left on device|Disk quota exceeded|There is not enough space on the disk)[^\n]*", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex FullDisk();
}

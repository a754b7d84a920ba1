using Marionette.Runners;

namespace Marionette.Providers;

/// <content>Runners that are stopped where they are, and let go on.</content>
internal sealed partial class ProviderGrain
{
    private static readonly TimeSpan UnpauseAgain = TimeSpan.FromSeconds(2);

    public Task PauseAsync(string runnerKey, long epoch, CancellationToken cancellationToken) => FreezeAsync(runnerKey, epoch, paused: true);

    public Task UnpauseAsync(string runnerKey, long epoch, CancellationToken cancellationToken) => FreezeAsync(runnerKey, epoch, paused: false);

    private async Task FreezeAsync(string key, long epoch, bool paused)
    {
        var provider = Provider();
        await WatchAsync(key, epoch, CancellationToken.None);
        var held = _held[key];
        // The same wish again: the one under way tells the outcome.
        if (held.Freezing == paused) return;
        held.Freezing = paused;
        RunBeside(paused ? PauseBesideAsync(provider, key, held) : UnpauseBesideAsync(provider, key, held), key);
    }

    /// <summary>One try: a session that cannot have its runner paused gives it back instead.</summary>
    private async Task PauseBesideAsync(IRunnerProvider provider, string key, Held held)
    {
        string? refusal = null;
        try
        {
            await provider.PauseAsync(new RunnerHandle(key, held.Epoch), _gone.Token);
        }
        catch (ProviderException e)
        {
            refusal = e.Message;
        }
        catch
        {
            held.Freezing = null; // Whoever wishes it again is not told that it is under way.
            throw;
        }

        await SettleFreezeAsync(key, held, paused: true, refusal);
    }

    /// <summary>Tries until it goes on, it is gone, or the backend will not. Its grain's patience ends it otherwise.</summary>
    private async Task UnpauseBesideAsync(IRunnerProvider provider, string key, Held held)
    {
        string? refusal = null;
        while (held.Freezing == false && _held.GetValueOrDefault(key) == held)
        {
            try
            {
                await provider.UnpauseAsync(new RunnerHandle(key, held.Epoch), _gone.Token);
                break;
            }
            catch (ProviderException e) when (e.Fault == ProviderFault.Rejected)
            {
                // Dead, it tells its own cause.
                await LookAtAsync(key, held, _gone.Token);
                refusal = e.Message;
                break;
            }
            catch (ProviderException)
            {
                await Task.Delay(UnpauseAgain, clock, _gone.Token);
            }
            catch
            {
                if (held.Freezing == false) held.Freezing = null;
                throw;
            }
        }

        await SettleFreezeAsync(key, held, paused: false, refusal);
    }

    private async Task SettleFreezeAsync(string key, Held held, bool paused, string? refusal)
    {
        if (held.Freezing != paused || _held.GetValueOrDefault(key) != held) return;
        held.Freezing = null;
        await Runner(key).PauseOutcomeAsync(new RunnerPauseOutcome(held.Epoch, paused, refusal), CancellationToken.None);
    }
}

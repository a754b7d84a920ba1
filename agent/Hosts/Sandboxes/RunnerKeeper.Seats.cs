using Marionette.Protocol.Hosts.V1;

namespace Marionette.Agent.Hosts.Sandboxes;

internal sealed partial class RunnerKeeper
{
    /// <summary>How many seats there are.</summary>
    internal int Seats => places.Count;

    /// <summary>Takes a runner's seat; whoever has it gives it back by <see cref="Leave"/>.</summary>
    /// <param name="key">The runner.</param>
    /// <param name="make">Makes one where there is none; else the answer is null then.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    private async Task<Place?> TakeAsync(string key, bool make, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (!places.TryGetValue(key, out var place))
            {
                if (!make)
                    return null;
                place = places.GetOrAdd(key, _ => new Place());
            }

            await place.Gate.WaitAsync(cancellationToken).ConfigureAwait(false);
            if (!place.IsGone)
                return place;
            place.Gate.Release(); // it went while we waited: there may be another one
        }
    }

    /// <summary>Gives a seat back. One that nobody sits on goes.</summary>
    private void Leave(string key, Place place)
    {
        if (place.Record is null)
        {
            place.IsGone = true;
            places.TryRemove(KeyValuePair.Create(key, place));
        }

        place.Gate.Release();
    }

    private bool HasRunnerFolders() =>
        Directory.Exists(folders.Runners) && Directory.GetDirectories(folders.Runners).SelectMany(Directory.GetDirectories).Any();

    // A start that was given its network needs it again like those that run.
    private IEnumerable<NetdAsk> Living() => places.Values.Select(place => place.Record)
        .Where(record => record is { Init: not null } && (!record.HasEnded || record is { State: RunnerState.Unknown, WantsNetwork: true }))
        .Select(record => NetworkRules.Attach(record!, record!.Init!.Pid));

    /// <summary>A runner's seat in this process.</summary>
    private sealed class Place
    {
        /// <summary>One thing at a time is done to it.</summary>
        public SemaphoreSlim Gate { get; } = new(1);

        /// <summary>Null when there is no runner.</summary>
        public RunnerRecord? Record { get; set; }

        /// <summary>It is not among the seats any more. Read and written by who has the gate.</summary>
        public bool IsGone { get; set; }

        /// <summary>The watch's look at it.</summary>
        public Task Looking { get; set; } = Task.CompletedTask;

        /// <summary>Looks that failed, one after another.</summary>
        public int Failures { get; set; }

        /// <summary>When the last one failed.</summary>
        public long FailedAt { get; set; }
    }
}

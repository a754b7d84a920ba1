using System.Globalization;
using Docker.DotNet.Models;

namespace Marionette.Providers.Docker;

// What is left of warm slots whose making, claim or removal broke off, and of a try whether volumes take a size. A runner's leftovers have its name, and
// whoever compares the inventory with the records removes them; slots and tries stand in none, so the provider itself has to.
public sealed partial class DockerProvider
{
    /// <summary>What is younger may be in the making.</summary>
    private static readonly TimeSpan InTheMaking = TimeSpan.FromMinutes(2);

    private async Task SweepSlotsAsync(IList<ContainerListResponse> containers, HashSet<string> claimed, CancellationToken cancellationToken)
    {
        var old = _clock.GetUtcNow() - InTheMaking;
        foreach (var container in containers
            .Where(container => container.State != "running" && container.Created.ToUniversalTime() < old && IsUnclaimed(container, claimed)))
            await TryAsync(() => ReleaseWarmAsync(container.Labels[ResourceNames.Slot], cancellationToken));

        // The containers were listed before the volumes are: a volume of a slot without one is a leftover, unless a workspace's files lie in it.
        var slots = containers.Select(container => container.Labels[ResourceNames.Slot]).ToHashSet();
        var volumes = (await ListVolumesAsync(null, cancellationToken)).ToList();
        var used = volumes.Select(volume => volume.Labels.TryGetValue(ResourceNames.FilesAt, out var at) ? at : null).OfType<string>()
            .SelectMany(at => (string[])[at, ResourceNames.Home(at)]).ToHashSet();
        foreach (var volume in volumes)
        {
            if (!IsLeft(volume)) continue;
            if (!DateTimeOffset.TryParse(volume.CreatedAt, CultureInfo.InvariantCulture, out var made) || made > old) continue;
            await TryAsync(() => RemoveVolumeAsync(volume.Name, cancellationToken));
        }

        bool IsLeft(VolumeResponse volume) => volume.Labels[ResourceNames.Role] == ResourceNames.ProbeRole
            || (SlotOf(volume) is { } slot && !slots.Contains(slot) && !claimed.Contains(_names.Claim(slot)) && !used.Contains(volume.Name));
    }

    private bool IsUnclaimed(ContainerListResponse container, HashSet<string> claimed)
    {
        var slot = container.Labels[ResourceNames.Slot];
        return container.Names.Contains("/" + _names.WarmContainer(slot)) && !claimed.Contains(_names.Claim(slot));
    }

    /// <summary>The slot whose volume it is: by its label, or as the claim of one that was taken to be removed.</summary>
    private string? SlotOf(VolumeResponse volume)
    {
        if (volume.Labels.TryGetValue(ResourceNames.Slot, out var slot)) return slot;
        var isClaim = volume.Labels[ResourceNames.Role] == ResourceNames.ClaimRole && ResourceNames.RunnerOf(volume.Labels) is null;
        return isClaim ? volume.Name[_names.Claim("").Length..] : null;
    }

    /// <summary>What could not be removed is found again by the next sweep, and is no reason to list nothing.</summary>
    private static async Task TryAsync(Func<Task> remove)
    {
        try
        {
            await remove();
        }
        catch (ProviderException)
        {
            // The slots that can be used are what was asked for.
        }
    }
}

using System.Net;
using System.Runtime.CompilerServices;
using Docker.DotNet.Models;

namespace Marionette.Providers.Docker;

// Warm slots. A slot is a container whose agent waits for its configuration, with volumes of its own. Who claims it makes the volume that names the
// claimer: the engine makes a volume once, and answers everybody else with the first one. Then the container takes the runner's name, and the
// workspace's volume, empty, says that its files lie in the slot's. Each step can be done again, so a claim that broke off is finished by the next
// Ensure, whoever calls it.
public sealed partial class DockerProvider
{
    /// <inheritdoc/>
    public async Task WarmAsync(WarmSpec spec, CancellationToken cancellationToken)
    {
        var name = _names.WarmContainer(spec.SlotId);
        using var _ = await EnterAsync(name, cancellationToken);
        if (await FindVolumeAsync(_names.Claim(spec.SlotId), cancellationToken) is not null) return; // used up
        var found = await InspectAsync(name, cancellationToken);
        if (found is null)
        {
            var image = spec.Profile.Image ?? _options.Image;
            await _quota.LearnAsync(cancellationToken);
            var parameters = _make.ForSlot(
                spec, new RunnerVolumes(name, ResourceNames.Home(name), ResourceNames.State(name)), await _runtimes.ForAsync(spec.Profile, cancellationToken));
            if (await TryCreateAsync(parameters, cancellationToken) == HttpStatusCode.NotFound)
            {
                await _images.PullAsync(image, new Steps(null, _clock), cancellationToken);
                if (await TryCreateAsync(parameters, cancellationToken) == HttpStatusCode.NotFound) throw Images.Missing(image);
            }
        }

        try
        {
            await _engine.DoAsync(
                "start a warm slot", token => _engine.Client.Containers.StartContainerAsync(name, new ContainerStartParameters(), token), cancellationToken,
                HttpStatusCode.NotModified);
            // What it may reach is decided by whoever claims it: until then, nothing.
            await AttachAsync(name, new EgressPolicy(EgressMode.Deny, []), cancellationToken);
        }
        catch (ProviderException) when (found is null)
        {
            await AbandonAsync(name, ResourceNames.State(name));
            throw;
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<WarmSlot> ListWarmAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // A removal that broke off claimed it for nobody: it is shown, and removed again.
        var claims = await ListVolumesAsync(ResourceNames.ClaimRole, cancellationToken);
        var claimed = claims.Where(volume => ResourceNames.RunnerOf(volume.Labels) is not null).Select(volume => volume.Name).ToHashSet();
        var containers = await ListContainersAsync(ResourceNames.WarmRole, cancellationToken);
        await SweepSlotsAsync(containers, claimed, cancellationToken);
        var slots = from container in containers
            let slot = container.Labels[ResourceNames.Slot]
            where container.State == "running" && IsUnclaimed(container, claimed)
            orderby container.Created, slot
            select new WarmSlot(slot, container.Labels[ResourceNames.Profile], container.Labels[ResourceNames.Revision], container.Created);
        foreach (var slot in slots) yield return slot;
    }

    /// <inheritdoc/>
    public async Task ReleaseWarmAsync(string slotId, CancellationToken cancellationToken)
    {
        var name = _names.WarmContainer(slotId);
        using var _ = await EnterAsync(name, cancellationToken);
        if (await InspectAsync(name, cancellationToken) is not { } found) return;
        // Ours to remove only when nobody claims it in this moment: the claim is taken like any other.
        if (!await WinAsync(slotId, _names.Labels(ResourceNames.ClaimRole), cancellationToken)) return;
        await _egress.DetachAsync(found.ID, cancellationToken);
        await RemoveContainerAsync(found.ID, cancellationToken);
        foreach (var volume in new[] { name, ResourceNames.Home(name), ResourceNames.State(name), _names.Claim(slotId) })
            await RemoveVolumeAsync(volume, cancellationToken);
    }

    /// <returns>False: the slot is not to be had for this runner; a new container is made.</returns>
    private async Task<bool> ClaimAsync(RunnerSpec spec, Steps steps, CancellationToken cancellationToken)
    {
        var slot = spec.WarmSlot!;
        steps.Begin();
        // Files that are there already are not in the slot, and one that is not there is no slot.
        if (await FindVolumeAsync(_names.WorkspaceVolume(spec.RunnerKey, spec.WorkspaceId), cancellationToken) is not null) return false;
        var found = await InspectAsync(_names.WarmContainer(slot), cancellationToken);
        if (found is not { State.Running: true }) return false;
        if (!await WinAsync(slot, _names.Labels(ResourceNames.ClaimRole, spec), cancellationToken)) return false;
        var name = _names.Container(new RunnerHandle(spec.RunnerKey, spec.Epoch));
        var renamed = await _engine.DoAsync(
            "claim a warm slot", token => _engine.Client.Containers.RenameContainerAsync(found.ID, new ContainerRenameParameters { NewName = name }, token),
            cancellationToken, HttpStatusCode.NotFound, HttpStatusCode.Conflict);
        if (renamed != HttpStatusCode.OK)
        {
            // Somebody made the runner cold meanwhile, or removed the slot: nobody else will use it.
            await RemoveSlotAsync(slot, found.ID, cancellationToken);
            return false;
        }

        if (!await FinishClaimAsync(spec, found, cancellationToken)) return false;
        steps.End("claim");
        return true;
    }

    /// <summary>From the name on: the workspace's mark, the network, the configuration. All of it may have been done before.</summary>
    /// <returns>False: the workspace got files of its own meanwhile, and the container is gone.</returns>
    private async Task<bool> FinishClaimAsync(RunnerSpec spec, ContainerInspectResponse found, CancellationToken cancellationToken)
    {
        var slot = SlotOf(found)!;
        var files = _names.WarmContainer(slot);
        var mark = _names.Labels(ResourceNames.FilesRole);
        mark[ResourceNames.Workspace] = spec.WorkspaceId;
        mark[ResourceNames.FilesAt] = files;
        var volume = await MakeVolumeAsync(_names.WorkspaceVolume(spec.RunnerKey, spec.WorkspaceId), mark, cancellationToken);
        if (volume.Labels?.TryGetValue(ResourceNames.FilesAt, out var at) != true || at != files)
        {
            await RemoveSlotAsync(slot, found.ID, cancellationToken);
            return false;
        }

        if (found.State.Running) await JoinAsync(spec, found, cancellationToken); // otherwise the caller starts it
        return true;
    }

    /// <summary>Network and configuration for what runs. It may have either already.</summary>
    private async Task JoinAsync(RunnerSpec spec, ContainerInspectResponse found, CancellationToken cancellationToken)
    {
        var network = _egress.AttachAsync(found.ID, (int)found.State.Pid, spec.Egress, cancellationToken);
        if (!found.State.Paused) await ConfigureAsync(spec, found.ID, cancellationToken); // nothing can be attached to one that is paused
        await network;
    }

    /// <summary>Takes the slot, or finds it taken by the same one.</summary>
    private async Task<bool> WinAsync(string slot, Dictionary<string, string> claimer, CancellationToken cancellationToken)
    {
        var claim = await MakeVolumeAsync(_names.Claim(slot), claimer, cancellationToken);
        return claim.Labels is not null && claimer.Count == claim.Labels.Count
            && claimer.All(label => claim.Labels.TryGetValue(label.Key, out var value) && value == label.Value);
    }

    private Task<VolumeResponse> MakeVolumeAsync(string name, Dictionary<string, string> labels, CancellationToken cancellationToken) => _engine.GetAsync(
        "make a volume", token => _engine.Client.Volumes.CreateAsync(new VolumesCreateParameters { Name = name, Labels = labels }, token), cancellationToken);

    private async Task RemoveSlotAsync(string slot, string container, CancellationToken cancellationToken)
    {
        var name = _names.WarmContainer(slot);
        await _egress.DetachAsync(container, cancellationToken);
        await RemoveContainerAsync(container, cancellationToken);
        foreach (var volume in new[] { name, ResourceNames.Home(name), ResourceNames.State(name), _names.Claim(slot) })
            await RemoveVolumeAsync(volume, cancellationToken);
    }

    private static bool IsSlot(ContainerInspectResponse container) => SlotOf(container) is not null;

    private static string? SlotOf(ContainerInspectResponse container) =>
        container.Config.Labels is { } labels && labels.TryGetValue(ResourceNames.Role, out var role) && role == ResourceNames.WarmRole
            ? labels[ResourceNames.Slot]
            : null;
}

using System.Net;
using Docker.DotNet.Models;

namespace Marionette.Providers.Docker;

// How a container comes to be, and what the engine is asked about those that are there.
public sealed partial class DockerProvider
{
    private const int LastLines = 20, LastBytes = 2048;

    /// <returns>The container; null when its name is taken: look again.</returns>
    private async Task<ContainerInspectResponse?> CreateAsync(RunnerSpec spec, Steps steps, CancellationToken cancellationToken)
    {
        var image = spec.Profile.Image ?? _options.Image;
        var runtime = await _runtimes.ForAsync(spec.Profile, cancellationToken);
        await _quota.LearnAsync(cancellationToken);
        if (_options.Pull == ImagePull.Always) await _images.PullAsync(image, steps, cancellationToken);
        var parameters = _make.ForRunner(spec, await VolumesAsync(spec, cancellationToken), runtime);
        steps.Begin();
        var made = await TryCreateAsync(parameters, cancellationToken);
        if (made == HttpStatusCode.NotFound)
        {
            await _images.PullAsync(image, steps, cancellationToken);
            steps.Begin();
            made = await TryCreateAsync(parameters, cancellationToken);
            if (made == HttpStatusCode.NotFound) throw Images.Missing(image);
        }

        if (made == HttpStatusCode.OK) steps.End("create");
        return await InspectAsync(parameters.Name, cancellationToken);
    }

    /// <returns>OK; NotFound: no such image; Conflict: the name is taken.</returns>
    private Task<HttpStatusCode> TryCreateAsync(CreateContainerParameters parameters, CancellationToken cancellationToken) => _engine.DoAsync(
        "make a container", token => _engine.Client.Containers.CreateContainerAsync(parameters, token), cancellationToken,
        HttpStatusCode.NotFound, HttpStatusCode.Conflict);

    /// <summary>
    /// The container has no network until its policy stands: the agent's first words wait for it, as they would for any network that is not up yet.
    /// </summary>
    private async Task StartAsync(RunnerSpec spec, ContainerInspectResponse found, Steps steps, CancellationToken cancellationToken)
    {
        var first = found.State.Status == "created";
        try
        {
            steps.Begin();
            // Before the start: an agent that ends at once takes its input along, and the line cannot wait for another one.
            using var input = await OpenInputAsync(spec, found.ID, cancellationToken);
            await _engine.DoAsync(
                $"start {spec.RunnerKey}", token => _engine.Client.Containers.StartContainerAsync(found.ID, new ContainerStartParameters(), token),
                cancellationToken, HttpStatusCode.NotModified);
            steps.End("start");
            steps.Begin();
            var network = AttachAsync(found.ID, spec.Egress, cancellationToken);
            await HandAsync(spec, input);
            await network;
            steps.End("network");
        }
        catch (ProviderException e) when (e.Fault != ProviderFault.Ambiguous)
        {
            // One that ran before keeps its place: what it had not sent yet lies in it.
            if (first) await AbandonAsync(found.ID, ResourceNames.State(_names.Container(new RunnerHandle(spec.RunnerKey, spec.Epoch))));
            else await EndAsync(found.ID, CancellationToken.None);
            throw;
        }
    }

    /// <summary>An agent that ended at once is found by the next look, as any that ends later: that is no failure of its network.</summary>
    private async Task AttachAsync(string container, EgressPolicy policy, CancellationToken cancellationToken)
    {
        if (await InspectAsync(container, cancellationToken) is not { State.Running: true } running) return;
        try
        {
            await _egress.AttachAsync(running.ID, (int)running.State.Pid, policy, cancellationToken);
        }
        catch (ProviderException e) when (e.Fault == ProviderFault.Unavailable)
        {
            if (await InspectAsync(container, cancellationToken) is { State.Running: true }) throw;
        }
    }

    /// <summary>What we made and cannot use. A failure here is found by the sweep.</summary>
    private async Task AbandonAsync(string container, string state)
    {
        try
        {
            await RemoveContainerAsync(container, CancellationToken.None);
            await RemoveVolumeAsync(state, CancellationToken.None);
        }
        catch (ProviderException)
        {
            // The failure that brought us here is the one to tell.
        }
    }

    /// <summary>Where the workspace's files are: in volumes of its own, or in those of the warm slot that it began in.</summary>
    private async Task<RunnerVolumes> VolumesAsync(RunnerSpec spec, CancellationToken cancellationToken)
    {
        var state = ResourceNames.State(_names.Container(new RunnerHandle(spec.RunnerKey, spec.Epoch)));
        var own = _names.WorkspaceVolume(spec.RunnerKey, spec.WorkspaceId);
        var volume = await FindVolumeAsync(own, cancellationToken);
        var at = volume?.Labels?.TryGetValue(ResourceNames.FilesAt, out var elsewhere) == true ? elsewhere : own;
        return new RunnerVolumes(at, ResourceNames.Home(at), state);
    }

    private Task<VolumeResponse?> FindVolumeAsync(string name, CancellationToken cancellationToken) =>
        _engine.FindAsync("look at a volume", token => _engine.Client.Volumes.InspectAsync(name, token), cancellationToken);

    private Task<ContainerInspectResponse?> InspectAsync(string name, CancellationToken cancellationToken) =>
        _engine.FindAsync("look at a container", token => _engine.Client.Containers.InspectContainerAsync(name, token), cancellationToken);

    private Task<IList<ContainerListResponse>> ListContainersAsync(string? role, CancellationToken cancellationToken) => _engine.GetAsync(
        "list containers",
        token => _engine.Client.Containers.ListContainersAsync(new ContainersListParameters { All = true, Filters = _names.Ours(role) }, token),
        cancellationToken);

    private async Task<IEnumerable<VolumeResponse>> ListVolumesAsync(string? role, CancellationToken cancellationToken) => (await _engine.GetAsync(
        "list volumes", token => _engine.Client.Volumes.ListAsync(new VolumesListParameters { Filters = _names.Ours(role) }, token),
            cancellationToken)).Volumes ?? [];

    private async Task RemoveContainerAsync(string container, CancellationToken cancellationToken)
    {
        var how = new ContainerRemoveParameters { Force = true, RemoveVolumes = true };
        for (var i = 0; ; i++)
        {
            // A conflict: its removal is under way already.
            var outcome = await _engine.DoAsync(
                "remove a container", token => _engine.Client.Containers.RemoveContainerAsync(container, how, token), cancellationToken,
                HttpStatusCode.NotFound, HttpStatusCode.Conflict);
            if (outcome != HttpStatusCode.Conflict) return;
            if (i == Tries) throw new ProviderException(ProviderFault.Ambiguous, "The engine does not come to an end with the removal of a container.");
            await Task.Delay(Again, _clock, cancellationToken);
        }
    }

    private async Task RemoveVolumeAsync(string name, CancellationToken cancellationToken)
    {
        for (var i = 0; ; i++)
        {
            // A conflict: the container that used it is not quite gone.
            var outcome = await _engine.DoAsync(
                "remove a volume", token => _engine.Client.Volumes.RemoveAsync(name, force: false, token), cancellationToken,
                HttpStatusCode.NotFound, HttpStatusCode.Conflict);
            if (outcome != HttpStatusCode.Conflict) return;
            if (i == Tries) throw new ProviderException(ProviderFault.Ambiguous, $"The volume {name} stays in use.");
            await Task.Delay(Again, _clock, cancellationToken);
        }
    }

    /// <summary>Volumes that tell of a runner whose container is gone.</summary>
    private async Task RemoveLeftoversAsync(RunnerHandle handle, CancellationToken cancellationToken)
    {
        foreach (var volume in await ListVolumesAsync(null, cancellationToken))
            if (ResourceNames.RunnerOf(volume.Labels) == handle) await RemoveVolumeAsync(volume.Name, cancellationToken);
    }

    private async Task<string> LastWordsAsync(string container, CancellationToken cancellationToken)
    {
        var what = new ContainerLogsParameters { ShowStdout = true, ShowStderr = true, Tail = LastLines.ToString() };
        var said = "";
        await _engine.DoAsync(
            "read a container's log",
            async token =>
            {
                using var stream = await _engine.Client.Containers.GetContainerLogsAsync(container, tty: false, what, token);
                var (output, error) = await stream.ReadOutputToEndAsync(token);
                said = (output + error).TrimEnd();
            },
            cancellationToken, HttpStatusCode.NotFound);
        return said.Length > LastBytes ? said[^LastBytes..] : said;
    }
}

using Docker.DotNet.Models;

namespace Marionette.Providers.Docker;

/// <summary>The volumes of a container.</summary>
/// <param name="Files">Its workspace.</param>
/// <param name="Home">The agent's home.</param>
/// <param name="State">The agent's spool.</param>
internal sealed record RunnerVolumes(string Files, string Home, string State);

/// <summary>What a runner's container is made of. Everything is taken away that an agent does not need; what is given is limited.</summary>
internal sealed class RunnerContainer(DockerProviderOptions options, ResourceNames names, DiskQuota quota)
{
    /// <summary>Memory that temporary files may take, at most: they count as the runner's own.</summary>
    private const int MostTemporaryMib = 2048;

    /// <summary>The helper, as every runner sees it.</summary>
    private const string HelperAddress = "10.200.0.1";

    /// <summary>A runner's container.</summary>
    public CreateContainerParameters ForRunner(RunnerSpec spec, RunnerVolumes volumes, string? runtime)
    {
        var files = names.Labels(ResourceNames.FilesRole);
        files[ResourceNames.Workspace] = spec.WorkspaceId;
        var container = Make(spec.Profile, volumes, runtime, files, names.Labels(ResourceNames.StateRole, spec));
        container.Name = names.Container(new RunnerHandle(spec.RunnerKey, spec.Epoch));
        container.Labels = names.Labels(ResourceNames.RunnerRole, spec);
        return container;
    }

    /// <summary>A warm slot's container: its agent waits for the configuration that makes it somebody's.</summary>
    public CreateContainerParameters ForSlot(WarmSpec spec, RunnerVolumes volumes, string? runtime)
    {
        var files = names.Labels(ResourceNames.FilesRole, spec);
        var container = Make(spec.Profile, volumes, runtime, files, names.Labels(ResourceNames.StateRole, spec));
        container.Name = names.WarmContainer(spec.SlotId);
        container.Labels = names.Labels(ResourceNames.WarmRole, spec);
        return container;
    }

    /// <summary>A container that says which agent programs its image has, and goes away.</summary>
    public CreateContainerParameters ForLook(string image)
    {
        var container = Hardened(image, new RunnerProfile { MemoryMib = 2048, Pids = 512 }, runtime: null);
        container.Labels = names.Labels(ResourceNames.LookRole);
        container.Cmd = ["agents"];
        container.HostConfig.NetworkMode = "none";
        return container;
    }

    private CreateContainerParameters Make(
        RunnerProfile profile, RunnerVolumes volumes, string? runtime, Dictionary<string, string> files, Dictionary<string, string> state)
    {
        var container = Hardened(profile.Image ?? options.Image, profile, runtime);
        // The configuration comes as a line of input, which then ends: what a container's own description or log holds, anybody on the engine reads.
        container.Cmd = ["run", "--config", "-"];
        container.OpenStdin = true;
        container.StdinOnce = true;
        container.WorkingDir = AgentFiles.Workspace;
        container.HostConfig.Mounts =
        [
            Volume(volumes.Files, AgentFiles.Workspace, files, profile.DiskMib),
            Volume(volumes.Home, AgentFiles.Home, files, profile.DiskMib),
            Volume(volumes.State, AgentFiles.State, state, profile.DiskMib),
        ];
        return container;
    }

    private CreateContainerParameters Hardened(string image, RunnerProfile profile, string? runtime) => new()
    {
        Image = image,
        Entrypoint = ["marionette-agent"],
        User = $"{AgentFiles.User}:{AgentFiles.User}",
        Hostname = "runner",
        Env = [.. profile.Env.Select(pair => $"{pair.Key}={pair.Value}")],
        StopSignal = "SIGTERM",
        HostConfig = new HostConfig
        {
            Runtime = runtime,
            NetworkMode = options.Network ?? "none",
            // Whichever server is asked, the helper answers; one must stand there to be asked.
            DNS = options.Network is null ? [HelperAddress] : null,
            CapDrop = ["ALL"],
            // The engine's own seccomp profile holds unless one says otherwise, and nothing here does.
            SecurityOpt = ["no-new-privileges:true"],
            ReadonlyRootfs = true,
            Init = false, // the agent is PID 1 and reaps
            IpcMode = "private",
            Tmpfs = new Dictionary<string, string>
            {
                ["/tmp"] = $"rw,exec,nosuid,nodev,mode=1777,size={Math.Min(MostTemporaryMib, profile.MemoryMib)}m",
                ["/run"] = "rw,noexec,nosuid,nodev,mode=0755,size=16m",
            },
            NanoCPUs = (long)(profile.Cpus * 1_000_000_000),
            Memory = profile.MemoryMib * 1024L * 1024,
            MemorySwap = profile.MemoryMib * 1024L * 1024, // memory and swap together: no swap
            PidsLimit = profile.Pids,
            Ulimits =
            [
                new Ulimit { Name = "nofile", Soft = options.OpenFiles, Hard = options.OpenFiles },
                new Ulimit { Name = "core", Soft = 0, Hard = 0 },
            ],
            RestartPolicy = new RestartPolicy { Name = RestartPolicyKind.No },
            LogConfig = new LogConfig
            {
                Type = "json-file", Config = new Dictionary<string, string> { ["max-size"] = "4m", ["max-file"] = "1" },
            },
        },
    };

    // One that is there already stays as it was made.
    private Mount Volume(string name, string target, IDictionary<string, string> labels, long mib) => new()
    {
        Type = "volume", Source = name, Target = target, VolumeOptions = new VolumeOptions { Labels = labels, DriverConfig = quota.DriverFor(mib) },
    };
}

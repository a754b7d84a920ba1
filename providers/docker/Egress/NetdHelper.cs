using System.Net;
using Docker.DotNet;
using Docker.DotNet.Models;

namespace Marionette.Providers.Docker;

/// <summary>The helper's container: one per engine and installation, made on first use, found by its name, started again when it has ended.</summary>
internal sealed class NetdHelper(Engine engine, ResourceNames names, Images images, DockerProviderOptions options)
{
    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(50);

    private const int Tries = 20;

    /// <summary>Sees to it that the helper runs, and connects to it.</summary>
    /// <returns>The connection, and whether the helper had to be started: it then knows of nobody.</returns>
    /// <exception cref="IOException">It ended at once.</exception>
    public async Task<(MultiplexedStream Stream, bool Fresh)> ConnectAsync(TimeProvider clock, CancellationToken cancellationToken)
    {
        var (id, fresh) = await RunAsync(clock, cancellationToken);
        var how = new ContainerAttachParameters { Stream = true, Stdin = true, Stdout = true };
        var stream = await engine.GetAsync("talk to the network helper", t => engine.Client.Containers.AttachContainerAsync(id, tty: false, how, t),
            cancellationToken);
        // The end of what had ended before is never told: a connection to it would stay open and silent.
        if (await engine.FindAsync("look at the network helper", t => engine.Client.Containers.InspectContainerAsync(id, t),
            cancellationToken) is { State.Running: true })
            return (stream, fresh);
        stream.Dispose();
        throw new IOException("the helper has ended");
    }

    /// <summary>What it said last, for people: why it does not work here.</summary>
    public async Task<string> LastWordsAsync(CancellationToken cancellationToken)
    {
        var said = "";
        var what = new ContainerLogsParameters { ShowStderr = true, Tail = "3" };
        await engine.DoAsync(
            "read the network helper's log",
            async token =>
            {
                using var stream = await engine.Client.Containers.GetContainerLogsAsync(names.Network, tty: false, what, token);
                said = (await stream.ReadOutputToEndAsync(token)).stderr.Trim();
            },
            cancellationToken, HttpStatusCode.NotFound);
        return said;
    }

    private async Task<(string Id, bool Fresh)> RunAsync(TimeProvider clock, CancellationToken cancellationToken)
    {
        for (var i = 0; i < Tries; i++)
        {
            var found = await engine.FindAsync("look at the network helper", t => engine.Client.Containers.InspectContainerAsync(names.Network, t),
                cancellationToken);
            if (found is { State.Running: true }) return (found.ID, Fresh: false);
            // One that ended may be of an older image: it is made anew, its state is in the kernel and went with it. One that never ran is another
            // process', which is about to start it.
            if (found is not null && found.State.Status != "created") await RemoveAsync(found.ID, cancellationToken);
            var made = found?.State.Status == "created" ? HttpStatusCode.OK : await CreateAsync(cancellationToken);
            if (made == HttpStatusCode.NotFound)
            {
                await images.PullAsync(options.Image, new Steps(null, clock), cancellationToken);
                made = await CreateAsync(cancellationToken);
                if (made == HttpStatusCode.NotFound) throw Images.Missing(options.Image);
            }

            var outcome = await engine.DoAsync(
                "start the network helper", t => engine.Client.Containers.StartContainerAsync(names.Network, new ContainerStartParameters(), t),
                    cancellationToken,
                HttpStatusCode.NotModified, HttpStatusCode.NotFound, HttpStatusCode.Conflict);
            if (outcome == HttpStatusCode.OK && await engine.FindAsync(
                "look at the network helper", t => engine.Client.Containers.InspectContainerAsync(names.Network, t), cancellationToken) is { } started)
                return (started.ID, Fresh: true);
            await Task.Delay(Again, clock, cancellationToken);
        }

        throw new ProviderException(ProviderFault.Unavailable, "The network helper cannot be kept running; its log on the engine tells more.");
    }

    private Task<HttpStatusCode> RemoveAsync(string id, CancellationToken cancellationToken) => engine.DoAsync(
        "remove the old network helper", t => engine.Client.Containers.RemoveContainerAsync(id, new ContainerRemoveParameters { Force = true }, t),
            cancellationToken,
        HttpStatusCode.NotFound, HttpStatusCode.Conflict);

    private Task<HttpStatusCode> CreateAsync(CancellationToken cancellationToken)
    {
        var parameters = new CreateContainerParameters
        {
            Name = names.Network,
            Image = options.Image,
            Entrypoint = ["marionette-agent"],
            Cmd = ["netd", "--stay"],
            User = "0:0",
            WorkingDir = "/",
            OpenStdin = true,
            StdinOnce = false,
            Labels = names.Labels(ResourceNames.NetworkRole),
            HostConfig = new HostConfig
            {
                // It joins networks of containers, so it must see their processes and be root among the networks: of the host it needs nothing else.
                NetworkMode = "host",
                PidMode = "host",
                UsernsMode = "host",
                CapDrop = ["ALL"],
                CapAdd = ["NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE", "SYS_ADMIN", "SYS_PTRACE"],
                SecurityOpt = ["no-new-privileges:true", "apparmor=unconfined"],
                ReadonlyRootfs = true,
                Tmpfs = new Dictionary<string, string> { ["/tmp"] = "rw,nosuid,nodev,size=16m", ["/run"] = "rw,nosuid,nodev,size=16m" },
                RestartPolicy = new RestartPolicy { Name = RestartPolicyKind.No },
                LogConfig = new LogConfig { Type = "json-file", Config = new Dictionary<string, string> { ["max-size"] = "4m", ["max-file"] = "1" } },
            },
        };
        return engine.DoAsync(
            "make the network helper", t => engine.Client.Containers.CreateContainerAsync(parameters, t), cancellationToken, HttpStatusCode.Conflict,
                HttpStatusCode.NotFound);
    }
}

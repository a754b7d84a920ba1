using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Docker.DotNet;
using Docker.DotNet.Models;

namespace Marionette.Providers.Docker;

/// <summary>The engine's images: brought when they are missing, and asked once what agent programs they hold.</summary>
internal sealed class Images(Engine engine, DockerProviderOptions options, TimeProvider clock)
{
    private readonly ConcurrentDictionary<string, IReadOnlyList<InstalledAgent>> _agents = new();

    public static ProviderException Missing(string image) => new(
        ProviderFault.Rejected, $"The engine has no image \"{image}\". Build it with providers/docker/image/build, or name one that can be pulled.");

    /// <summary>Brings an image from its registry.</summary>
    public async Task PullAsync(string image, Steps steps, CancellationToken cancellationToken)
    {
        if (options.Pull == ImagePull.Never) throw Missing(image);
        steps.Begin();
        steps.Tell("image", $"pulling {image}");
        using var deadline = new CancellationTokenSource(options.PullTimeout, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var told = new PullProgress(image, steps);
        try
        {
            await engine.Client.Images.CreateImageAsync(new ImagesCreateParameters { FromImage = WithTag(image) }, null, told, both.Token);
        }
        catch (DockerApiException e) when (e.StatusCode == HttpStatusCode.NotFound || IsUnreached(e))
        {
            throw new ProviderException(ProviderFault.Rejected, Missing(image).Message, e);
        }
        catch (DockerApiException e)
        {
            throw Engine.Translate($"pull the image \"{image}\"", e);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ProviderException(ProviderFault.Unavailable, $"The image \"{image}\" was not there after {options.PullTimeout.TotalMinutes:0} min.", e);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or System.Net.Sockets.SocketException or TimeoutException)
        {
            throw Engine.Unreached($"pull the image \"{image}\"", e);
        }

        if (told.Error is { } error) throw new ProviderException(ProviderFault.Rejected, $"The image \"{image}\" could not be pulled: {error}");
        steps.End("image");
    }

    /// <summary>Agent programs of the provider's own image, by the image's id: another image is asked anew.</summary>
    public async Task<IReadOnlyList<InstalledAgent>> AgentsAsync(RunnerContainer make, CancellationToken cancellationToken)
    {
        var image = await engine.FindAsync("look at an image", token => engine.Client.Images.InspectImageAsync(options.Image, token), cancellationToken);
        if (image is null) return []; // the first runner brings it
        if (_agents.TryGetValue(image.ID, out var known)) return known;
        var answer = await RunAsync(make.ForLook(image.ID), cancellationToken);
        try
        {
            return _agents[image.ID] = JsonSerializer.Deserialize(answer, DockerJsonContext.Default.AgentInventory)?.Agents ?? [];
        }
        catch (JsonException e)
        {
            throw new ProviderException(ProviderFault.Unavailable, $"The image \"{options.Image}\" gave no list of agents.", e);
        }
    }

    private async Task<string> RunAsync(CreateContainerParameters parameters, CancellationToken cancellationToken)
    {
        var containers = engine.Client.Containers;
        var made = await engine.GetAsync("make a container", token => containers.CreateContainerAsync(parameters, token), cancellationToken);
        try
        {
            await engine.DoAsync("start a container", token => containers.StartContainerAsync(made.ID, new ContainerStartParameters(), token),
                cancellationToken);
            var ended = await engine.GetAsync("wait for a container", token => containers.WaitContainerAsync(made.ID, token), cancellationToken);
            var answer = "";
            await engine.DoAsync(
                "read a container's log",
                async token =>
                {
                    var what = new ContainerLogsParameters { ShowStdout = true };
                    using var stream = await containers.GetContainerLogsAsync(made.ID, tty: false, what, token);
                    answer = (await stream.ReadOutputToEndAsync(token)).stdout;
                },
                cancellationToken);
            return ended.StatusCode == 0
                ? answer
                : throw new ProviderException(ProviderFault.Unavailable, $"The agent of the image \"{options.Image}\" ended with {ended.StatusCode}.");
        }
        finally
        {
            var how = new ContainerRemoveParameters { Force = true, RemoveVolumes = true };
            await engine.DoAsync("remove a container", token => containers.RemoveContainerAsync(made.ID, how, token), CancellationToken.None,
                HttpStatusCode.NotFound);
        }
    }

    /// <summary>A registry that cannot be reached from the engine answers with the engine's 500; for the caller the image is missing.</summary>
    private static bool IsUnreached(DockerApiException e) => e.StatusCode == HttpStatusCode.InternalServerError
        && (e.ResponseBody?.Contains("dial tcp", StringComparison.Ordinal) == true 
                || e.ResponseBody?.Contains("no such host", StringComparison.Ordinal) == true);

    /// <summary>Without a tag the engine would pull every one there is.</summary>
    private static string WithTag(string image) =>
        image.Contains('@', StringComparison.Ordinal) || image.LastIndexOf(':') > image.LastIndexOf('/') ? image : image + ":latest";

    /// <summary>Adds up the layers, and tells each new tenth.</summary>
    private sealed class PullProgress(string image, Steps steps) : IProgress<JSONMessage>
    {
        private readonly Dictionary<string, (long Done, long All)> _layers = [];
        private long _told;

        public string? Error { get; private set; }

        public void Report(JSONMessage value)
        {
            if ((value.Error?.Message ?? value.ErrorMessage) is { Length: > 0 } error) Error = error;
            if (value.ID is null || value.Progress is not { Total: > 0 } progress) return;
            _layers[value.ID] = (progress.Current, progress.Total);
            var percent = _layers.Values.Sum(layer => layer.Done) * 100 / _layers.Values.Sum(layer => layer.All);
            if (percent < _told + 10) return;
            _told = percent;
            steps.Tell("image", $"pulling {image}, {percent} %");
        }
    }
}

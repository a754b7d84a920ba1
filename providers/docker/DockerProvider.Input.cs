using System.Net.Sockets;
using Docker.DotNet;
using Docker.DotNet.Models;

namespace Marionette.Providers.Docker;

// The configuration goes over the container's standard input, which the engine closes when we do. An agent reads one line and no more, so a second
// one, by another process or another Ensure, is harmless: there is no need to know whether the first has come.
public sealed partial class DockerProvider
{
    // The engine ends the connection when it has passed on what came; what cannot be half closed it does not.
    private static readonly TimeSpan Passing = TimeSpan.FromSeconds(5);

    private Task<MultiplexedStream> OpenInputAsync(RunnerSpec spec, string container, CancellationToken cancellationToken) => _engine.GetAsync(
        $"attach to {spec.RunnerKey}",
        token => _engine.Client.Containers.AttachContainerAsync(container, tty: false, new ContainerAttachParameters { Stream = true, Stdin = true }, token),
        cancellationToken);

    /// <summary>Gives a running agent its configuration, if it still waits for it.</summary>
    private async Task ConfigureAsync(RunnerSpec spec, string container, CancellationToken cancellationToken)
    {
        using var input = await OpenInputAsync(spec, container, cancellationToken);
        await HandAsync(spec, input, cancellationToken);
    }

    /// <summary>Returns when the agent's input has it. An agent that ended meanwhile is found by the next look.</summary>
    private async Task HandAsync(RunnerSpec spec, MultiplexedStream input, CancellationToken cancellationToken)
    {
        var line = AgentFiles.Line(new AgentConfig(
            _egress.ServerUrl(_options.ServerUrl()), spec.RunnerKey, spec.Epoch, spec.Token, AgentFiles.State + "/state", AgentFiles.Workspace, AgentFiles.Home, spec.Profile.Env));
        using var limit = new CancellationTokenSource(Passing, _clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await input.WriteAsync(line, 0, line.Length, both.Token);
            input.CloseWrite();
            await input.ReadOutputAsync(new byte[16], 0, 16, both.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // It is on its way; should it have got lost, the agent waits, and the runner's start runs out.
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            // The agent does not read: it ended, or it has its configuration.
        }
    }
}

using System.Net.Sockets;
using Docker.DotNet;
using Docker.DotNet.Models;

namespace Marionette.Providers.Docker;

// The configuration goes over the container's standard input, which the engine closes when we do. An agent reads one line and no more, so a second
// one, by another process or another Ensure, is harmless: there is no need to know whether the first has come.
public sealed partial class DockerProvider
{
    private Task<MultiplexedStream> OpenInputAsync(RunnerSpec spec, string container, CancellationToken cancellationToken) => _engine.GetAsync(
        $"attach to {spec.RunnerKey}",
        token => _engine.Client.Containers.AttachContainerAsync(container, tty: false, new ContainerAttachParameters { Stream = true, Stdin = true }, token),
        cancellationToken);

    /// <summary>Gives a running agent its configuration, if it still waits for it.</summary>
    private async Task ConfigureAsync(RunnerSpec spec, string container, CancellationToken cancellationToken)
    {
        using var input = await OpenInputAsync(spec, container, cancellationToken);
        await HandAsync(spec, input);
    }

    /// <summary>
    /// Returns when the engine has it. Nothing tells when the agent has: with an input that ends with its first visitor, the engine keeps the
    /// connection until the container ends. An agent that ended meanwhile is found by the next look.
    /// </summary>
    private async Task HandAsync(RunnerSpec spec, MultiplexedStream input)
    {
        var line = AgentFiles.Line(new AgentConfig(
            _egress.ServerUrl(_options.ServerUrl()), spec.RunnerKey, spec.Epoch, spec.Token, AgentFiles.State + "/state", AgentFiles.Workspace,
                AgentFiles.Home, spec.Profile.Env));
        // Not to be cancelled: half a line would be a bad configuration.
        await _engine.DoAsync(
            $"configure {spec.RunnerKey}",
            async token =>
            {
                try
                {
                    await input.WriteAsync(line, 0, line.Length, token);
                    input.CloseWrite();
                }
                catch (Exception e) when (e is IOException or SocketException)
                {
                    // The agent does not read: it ended, or it has its configuration.
                }
            },
            CancellationToken.None);
    }
}

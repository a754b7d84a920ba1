using System.Formats.Tar;
using Docker.DotNet;
using Docker.DotNet.Models;
using Marionette.Providers.Conformance;
using Marionette.Providers.Docker.Tests;
using Marionette.TestEngine;
using Xunit.Sdk;
using Xunit.v3;

[assembly: AssemblyFixture(typeof(EngineFixture))]
// One engine, which some tests stop.
[assembly: Parallelization(Mode = ParallelMode.None)]

namespace Marionette.Providers.Docker.Tests;

/// <summary>The engine of all tests, with an image whose agent is the conformance cases' stand-in.</summary>
public sealed class EngineFixture : IAsyncLifetime
{
    private const UnixFileMode Executable = (UnixFileMode)0b111_101_101;

    public DockerEngine? Engine { get; private set; }

    public DockerClient Client { get; private set; } = null!;

    /// <summary>The real runner image with the stand-in put over the agent, which stays there as marionette-agent.real.</summary>
    public string StandInImage => "marionette-stand-in:test";

    public async ValueTask InitializeAsync()
    {
        if (DockerEngine.Obstacle() is not null) return;
        Engine = await DockerEngine.StartAsync();
        Client = new DockerClientConfiguration(Engine.Host).CreateClient();
        using var context = new MemoryStream();
        await using (var tar = new TarWriter(context, leaveOpen: true))
        {
            await AddAsync(tar, "Dockerfile", $"""
                FROM {Engine.Image}
                USER 0:0
                RUN cp /usr/local/bin/marionette-agent /usr/local/bin/marionette-agent.real
                COPY agent.sh /usr/local/bin/marionette-agent
                USER 10001:10001
                """);
            await AddAsync(tar, "agent.sh", StandIn.Script);
        }

        context.Position = 0;
        var built = new List<JSONMessage>();
        await Client.Images.BuildImageFromDockerfileAsync(
            new ImageBuildParameters { Tags = [StandInImage], Remove = true, NetworkMode = "none" }, context, [], new Dictionary<string, string>(), new Told(built));
        Assert.DoesNotContain(built, message => message.Error is not null);
    }

    public async ValueTask DisposeAsync()
    {
        Client?.Dispose();
        if (Engine is not null) await Engine.DisposeAsync();
    }

    private static async Task AddAsync(TarWriter tar, string name, string content)
    {
        using var data = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(content));
        await tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, name) { Mode = Executable, DataStream = data });
    }

    private sealed class Told(List<JSONMessage> messages) : IProgress<JSONMessage>
    {
        public void Report(JSONMessage value) => messages.Add(value);
    }
}

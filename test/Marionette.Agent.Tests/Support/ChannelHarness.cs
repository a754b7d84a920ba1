using System.Text;
using Marionette.Agent.Channel;
using Marionette.Agent.Hosting;
using Marionette.Agent.Spool;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Tests.Support;

/// <summary>The agent's channel and spool in this process, against a gateway.</summary>
internal sealed class ChannelHarness : IAsyncDisposable
{
    private readonly CancellationTokenSource life = new();

    public ChannelHarness(string url, string? endpointsFile = null)
    {
        Folder = Directory.CreateTempSubdirectory("marionette-channel-test-").FullName;
        Spool = EventSpool.Open(Folder, new SpoolOptions(), TimeProvider.System, Log);
        Config = new AgentConfig
        {
            ServerUrl = url,
            EndpointsFile = endpointsFile,
            Runner = "acme/run_1",
            Epoch = 3,
            Token = "rtok_x",
        };
        Channel = new ControlChannel(Config, Spool, Inbox, Welcomes.Add, TimeProvider.System, Log);
    }

    public RecordingLogger Log { get; } = new();

    public string Folder { get; }

    public AgentConfig Config { get; }

    public EventSpool Spool { get; }

    public CommandInbox Inbox { get; } = new();

    public List<Welcome> Welcomes { get; } = [];

    public ControlChannel Channel { get; }

    public Task<ChannelEnd> Running { get; private set; } = Task.FromResult(ChannelEnd.Stopped);

    public static byte[] Secret { get; } = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    public ChannelHarness Start()
    {
        Running = Channel.RunAsync(Secret, life.Token);
        return this;
    }

    public void Emit(string data, string run = "trun_1", bool commit = true)
    {
        Spool.Append(new EventPayload("log"u8, 1, Encoding.UTF8.GetBytes(run), Encoding.UTF8.GetBytes(data)));
        if (commit)
            Spool.Commit();
    }

    public async Task AllAckedAsync(int seconds = 180)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        try
        {
            await Spool.WhenAckedAsync(Spool.Last, limit.Token);
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"{Spool.Acked} of {Spool.Last} events were acknowledged within {seconds} s. Log:\n{Log.Text}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await life.CancelAsync();
        await Running;
        Spool.Dispose();
        Directory.Delete(Folder, recursive: true);
    }
}

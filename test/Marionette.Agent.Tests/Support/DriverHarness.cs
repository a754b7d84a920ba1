using System.Text.Json;
using Marionette.Agent.Agents;
using Marionette.Agent.Agents.Acp;
using Marionette.Agent.Agents.Claude;
using Marionette.Agent.Agents.Command;
using Marionette.Agent.Agents.Replay;
using Marionette.Agent.Events;
using Marionette.Agent.Hosting;
using Marionette.Agent.Runs;
using Marionette.Agent.Spool;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Tests.Support;

/// <summary>A driver in this process with a real child, and the events that it emitted.</summary>
internal sealed class DriverHarness : IAsyncDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("marionette-driver-test-").FullName;
    private readonly EventSpool spool;
    private int disposed;

    public DriverHarness(Setup setup, string? claude = null, int stallSeconds = 600, SpoolOptions? options = null)
    {
        spool = EventSpool.Open(Path.Combine(root, "spool"), options ?? new SpoolOptions(), TimeProvider.System, Log);
        Sink = new EventSink(spool, TimeProvider.System);
        Setup.Set(setup);
        Sink.Hide(setup.ApiKey);
        Services = new AgentServices
        {
            Config = new AgentConfig
            {
                StateDir = root,
                WorkspaceDir = Path.Combine(root, "workspace"),
                HomeDir = Path.Combine(root, "home"),
                ClaudePath = claude,
                StallSeconds = stallSeconds,
            },
            Setup = Setup,
            Journal = new RunJournal(Path.Combine(root, "journal.json")),
            Sink = Sink,
            Environment = new Dictionary<string, string>
            {
                ["PATH"] = System.Environment.GetEnvironmentVariable("PATH")!,
                ["OWN_SECRET"] = "must not be inherited",
            },
            Clock = TimeProvider.System,
            Log = Log,
        };
        Driver = setup.Agent switch
        {
            "command" => new CommandDriver(Services),
            "replay" => new ReplayDriver(Services),
            "acp" => new AcpDriver(Services),
            _ => new ClaudeDriver(Services),
        };
    }

    public RecordingLogger Log { get; } = new();

    public SetupHolder Setup { get; } = new();

    public AgentServices Services { get; }

    public EventSink Sink { get; }

    public IAgentDriver Driver { get; }

    public EventSpool Spool => spool;

    public string Workspace => Services.Config.WorkspaceDir;

    public string Home => Services.Config.HomeDir;

    public IReadOnlyList<KeptEvent> Events
    {
        get
        {
            var found = new List<KeptEvent>();
            using var batch = new EventBatchBuffer();
            var from = spool.Acked + 1;
            while (spool.Read(from, 512, 1 << 20, batch) > 0)
            {
                foreach (var e in EventBatch.Parser.ParseFrom(batch.Written.ToArray()).Events)
                {
                    using var document = JsonDocument.Parse(e.Data.Memory);
                    found.Add(new KeptEvent(from++, e.Type, e.Run, document.RootElement.Clone()));
                }
            }

            return found;
        }
    }

    public IEnumerable<string> Types => Events.Select(e => e.Type);

    public IEnumerable<JsonElement> Of(string type) => Events.Where(e => e.Type == type).Select(e => e.Data);

    public string Logs => string.Join('\n', Of("log").Select(data => data.GetProperty("content").GetString()));

    /// <summary>Runs one task; fails when it does not end.</summary>
    public async Task<RunResult> RunAsync(
        string prompt = "do it", string run = "trun_1", bool continuation = false, CancellationToken interrupted = default)
    {
        var running = Start(prompt, run, continuation, interrupted);
        try
        {
            return await running.WaitAsync(TimeSpan.FromSeconds(60), CancellationToken.None);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"The run did not end. Events:\n{string.Join('\n', Events)}\nLog:\n{Log.Text}");
        }
    }

    public Task<RunResult> Start(
        string prompt = "do it", string run = "trun_1", bool continuation = false, CancellationToken interrupted = default) =>
        Task.Run(() => Driver.RunAsync(Commands.Start(run, prompt, continuation).StartRun, interrupted));

    public Task<bool> AnswerAsync(Protocol.V1.Command command) => Driver.AnswerAsync(command.AnswerPermission);

    /// <summary>Waits for an event.</summary>
    public async Task<KeptEvent> WaitForAsync(Func<KeptEvent, bool> match, string what)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            if (Events.FirstOrDefault(match) is { } found)
                return found;
            try
            {
                await spool.Changed.WaitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"{what} did not come. Events:\n{string.Join('\n', Events)}\nLog:\n{Log.Text}");
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref disposed, 1) == 1)
            return;
        Driver.Kill();
        await Driver.DisposeAsync();
        spool.Dispose();
        Directory.Delete(root, recursive: true);
    }
}

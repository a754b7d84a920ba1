using Marionette.Agent.Hosts;
using Marionette.Agent.Processes;
using Marionette.Protocol.Hosts.V1;
using Microsoft.Extensions.Logging;

namespace Marionette.Hosts.Tests.Daemon.Support;

/// <summary>A host's daemon in this process, with a fake keeper and a state folder of its own, against a gateway.</summary>
internal sealed class HostHarness : IAsyncDisposable
{
    private readonly CancellationTokenSource life = new();
    private readonly TextLog log = new();

    public HostHarness(ScriptedHostGateway gateway, HostTimings? timings = null)
    {
        State = Directory.CreateTempSubdirectory("marionette-host-test-").FullName;
        Identity = NewIdentity(gateway.Url);
        Identity.Save(State);
        gateway.HostLog = () => log.Text;
        Daemon = new HostDaemon(
            Identity, "mj_canary", State, Keeper, timings ?? new HostTimings { Grace = TimeSpan.FromSeconds(5) }, TimeProvider.System, log);
    }

    public string State { get; }

    public string Log => log.Text;

    public HostIdentity Identity { get; }

    public FakeKeeper Keeper { get; } = new();

    public HostDaemon Daemon { get; }

    public Task<int> Running { get; private set; } = Task.FromResult(-1);

    public static HostIdentity NewIdentity(string url) => new()
    {
        Server = url,
        Pool = "builders",
        Host = HostIdentity.NewId(TimeProvider.System.GetUtcNow()),
        Secret = Libc.RandomBytes(HostIdentity.SecretSize),
        Name = "a host",
        Labels = { ["zone"] = "b" },
        Cpus = 3,
        MemoryMib = 4096,
        DiskMib = 8192,
    };

    public HostHarness Start()
    {
        Running = Daemon.RunAsync(life.Token);
        return this;
    }

    /// <summary>As a signal does.</summary>
    public async Task<int> StopAsync()
    {
        await life.CancelAsync();
        return await EndAsync();
    }

    public Task<int> EndAsync() => Running.WaitAsync(TimeSpan.FromSeconds(30));

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        Directory.Delete(State, recursive: true);
    }

    public static Order Ensure(string id, string runner) => new() { Id = id, Ensure = new EnsureRunner { Runner = runner, Epoch = 1, Token = "rtok_canary" } };

    public static Order Stop(string id, string runner) => new() { Id = id, Stop = new RunnerRef { Runner = runner, Epoch = 1 } };
}

/// <summary>Keeps log entries as text.</summary>
internal sealed class TextLog : ILogger
{
    private readonly Lock gate = new();
    private readonly List<string> entries = [];

    public string Text
    {
        get
        {
            lock (gate)
                return string.Join('\n', entries);
        }
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (gate)
            entries.Add($"{logLevel} {eventId.Name} {formatter(state, exception)}");
    }
}

using Marionette.TestEngine;
using Npgsql;

namespace Marionette.Bench.Stack;

/// <summary>The parts as processes of their own on one PostgreSQL: silos, a gateway, and runners with the agent that is shipped.</summary>
internal sealed class SplitStack : IAsyncDisposable
{
    private readonly string _folder = BenchStack.NewFolder();
    private readonly int _apiPort = Ports.Free(), _grpcPort = Ports.Free();
    private readonly List<ServerProcess> _silos = [];
    private readonly BenchOptions _options;
    private readonly SharedPostgres _postgres;
    private readonly NpgsqlDataSource _database;
    private ServerProcess? _gateway;
    private ApiClient? _api;
    private int _started;

    private SplitStack(BenchOptions options, SharedPostgres postgres) =>
        (_options, _postgres, _database) = (options, postgres, NpgsqlDataSource.Create(postgres.ConnectionString));

    /// <summary>Silos that were not lost.</summary>
    public IReadOnlyList<ServerProcess> Silos => _silos;

    public ApiClient Api => _api!;

    private string DataDirectory => Path.Combine(_folder, "data");

    public static async Task<SplitStack> StartAsync(BenchOptions options, int silos, CancellationToken cancellationToken)
    {
        var stack = new SplitStack(options, await SharedPostgres.StartAsync(durable: true));
        try
        {
            for (var i = 0; i < silos; i++) await stack.StartSiloAsync(cancellationToken);
            var key = await File.ReadAllTextAsync(Path.Combine(stack.DataDirectory, "secrets", "operator.token"), cancellationToken);
            stack._api = new ApiClient($"http://127.0.0.1:{stack._apiPort}", key.Trim());
            await stack.StartGatewayAsync(cancellationToken);
            return stack;
        }
        catch
        {
            await stack.DisposeAsync();
            throw;
        }
    }

    public async Task StartSiloAsync(CancellationToken cancellationToken)
    {
        var silo = ServerProcess.Start(
            _options.Program("silo", "marionette-silo"),
            [
                "silo", "--data-dir", DataDirectory, "--connection-string", _postgres.ConnectionString, "--admin-port", "0",
                "--agent-binary", _options.Program("agent", "marionette-agent"), "--runner-url", $"http://127.0.0.1:{_grpcPort}",
            ],
            Path.Combine(_folder, $"silo-{++_started}.log"));
        _silos.Add(silo);
        await silo.UntilAsync(() => Task.FromResult(silo.Output.Contains("marionette silo is ready", StringComparison.Ordinal)), "a silo", cancellationToken);
    }

    /// <summary>The silo whose log tells of a session's changes: it has its grain.</summary>
    public ServerProcess OwnerOf(string session) => _silos.Single(silo => silo.Output.Contains($"/{session}: ", StringComparison.Ordinal));

    /// <summary>Strikes a silo with a signal that it does not survive. It is none of the stack's any more.</summary>
    public void Lose(ServerProcess silo, int signal)
    {
        silo.Signal(signal);
        _silos.Remove(silo);
    }

    /// <summary>How many silos the members have declared dead so far.</summary>
    public async Task<long> DeadAsync(CancellationToken cancellationToken)
    {
        const int Dead = 6;
        await using var command = _database.CreateCommand($"select count(*) from marionette.membership where status = {Dead}");
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    public async ValueTask DisposeAsync()
    {
        if (_gateway is not null) await _gateway.DisposeAsync();
        foreach (var silo in _silos) await silo.DisposeAsync();
        RunnerProcesses.EndAll(DataDirectory);
        _api?.Dispose();
        await _database.DisposeAsync();
        await _postgres.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task StartGatewayAsync(CancellationToken cancellationToken)
    {
        _gateway = ServerProcess.Start(
            _options.Program("gateway", "Marionette.Gateway"),
            ["--data-dir", DataDirectory, "--connection-string", _postgres.ConnectionString, "--api-port", $"{_apiPort}", "--grpc-port", $"{_grpcPort}"],
            Path.Combine(_folder, "gateway.log"));
        await _gateway.UntilAsync(IsReadyAsync, "the gateway", cancellationToken);

        async Task<bool> IsReadyAsync()
        {
            try
            {
                using var answer = await Api.Http.GetAsync("/health/ready", cancellationToken);
                return answer.IsSuccessStatusCode;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        }
    }
}

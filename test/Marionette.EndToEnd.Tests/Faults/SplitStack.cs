using Marionette.EndToEnd.Tests.Support;
using Marionette.ModelServer;
using Marionette.TestEngine;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>The parts as processes of their own on a shared PostgreSQL: silos, a gateway, runners.</summary>
internal sealed class SplitStack : IAsyncDisposable
{
    private readonly string _folder = Stack.NewFolder();
    private readonly int _apiPort = Ports.Free(), _grpcPort = Ports.Free();

    public SharedPostgres Postgres { get; private set; } = null!;

    public RunningModelServer Model { get; private set; } = null!;

    public List<ServerProcess> Silos { get; } = [];

    public ServerProcess Gateway { get; private set; } = null!;

    public Api Api { get; private set; } = null!;

    public string DataDirectory => Path.Combine(_folder, "data");

    public static async Task<SplitStack> StartAsync(int silos)
    {
        var stack = new SplitStack();
        try
        {
            stack.Model = await ScriptedModelServer.StartAsync(new ModelServerOptions());
            stack.Postgres = await SharedPostgres.StartAsync();
            for (var i = 0; i < silos; i++) await stack.StartSiloAsync();
            stack.Api = new Api($"http://127.0.0.1:{stack._apiPort}", File.ReadAllText(Path.Combine(stack.DataDirectory, "secrets", "operator.token")).Trim());
            await stack.StartGatewayAsync();
        }
        catch
        {
            await stack.DisposeAsync();
            throw;
        }

        return stack;
    }

    public Task<string> StartClaudeAsync() => Api.StartClaudeAsync(Model.Url.ToString());

    public async Task StartSiloAsync()
    {
        var silo = ServerProcess.Start(
            Artifacts.Silo,
            [
                "silo", "--data-dir", DataDirectory, "--connection-string", Postgres.ConnectionString, "--admin-port", "0", "--agent-binary", Artifacts.Agent,
                "--tools-path", Path.GetDirectoryName(Artifacts.Claude)!, "--runner-url", $"http://127.0.0.1:{_grpcPort}",
            ]);
        Silos.Add(silo);
        await Wait.ForAsync(
            () => silo.HasExited ? throw new InvalidOperationException($"The silo ended:\n{silo.Output}") : silo.Output.Contains("marionette silo is ready"),
            "the silo", () => silo.Output);
    }

    public async Task StartGatewayAsync()
    {
        Gateway = ServerProcess.Start(
            Artifacts.Gateway,
            ["--data-dir", DataDirectory, "--connection-string", Postgres.ConnectionString, "--api-port", $"{_apiPort}", "--grpc-port", $"{_grpcPort}"]);
        await Wait.ForAsync(
            async () =>
            {
                if (Gateway.HasExited) throw new InvalidOperationException($"The gateway ended:\n{Gateway.Output}");
                try
                {
                    using var answer = await Api.Http.GetAsync("/health/ready");
                    return answer.IsSuccessStatusCode;
                }
                catch (HttpRequestException)
                {
                    return false;
                }
            },
            "the gateway", () => Gateway.Output);
    }

    /// <summary>The silo whose log tells of a session's changes: it has its grain.</summary>
    public ServerProcess OwnerOf(string session) =>
        Silos.Single(silo => !silo.HasExited && silo.Output.Contains($"/{session}: ", StringComparison.Ordinal));

    public async ValueTask DisposeAsync()
    {
        if (Gateway is not null) await Gateway.DisposeAsync();
        foreach (var silo in Silos) await silo.DisposeAsync();
        RunnerProcess.EndAll(DataDirectory);
        if (Postgres is not null) await Postgres.DisposeAsync();
        if (Model is not null) await Model.DisposeAsync();
        Stack.DeleteFolder(_folder);
    }
}

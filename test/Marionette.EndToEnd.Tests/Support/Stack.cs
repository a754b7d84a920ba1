using System.Text.Json;
using Marionette.ModelServer;

namespace Marionette.EndToEnd.Tests.Support;

/// <summary>A whole stack of shipped programs in a folder of its own: the all-in-one server, its runners, the scripted model server.</summary>
internal sealed class Stack : IAsyncDisposable
{
    private readonly string _folder;
    private readonly bool _ownsFolder;

    private Stack(string folder, bool ownsFolder, RunningModelServer model) => (_folder, _ownsFolder, Model) = (folder, ownsFolder, model);

    public RunningModelServer Model { get; }

    public ServerProcess Server { get; private set; } = null!;

    public string DataDirectory => Path.Combine(_folder, "data");

    public string ApiUrl { get; private set; } = "";

    public string AdminUrl { get; private set; } = "";

    public string ApiKey { get; private set; } = "";

    public Api Api { get; private set; } = null!;

    public static async Task<Stack> StartAsync(ModelServerOptions? model = null)
    {
        var folder = Directory.CreateTempSubdirectory("marionette-e2e-").FullName;
        var stack = new Stack(folder, true, await ScriptedModelServer.StartAsync(model ?? new ModelServerOptions()));
        try
        {
            await stack.StartServerAsync();
        }
        catch
        {
            await stack.DisposeAsync();
            throw;
        }

        return stack;
    }

    /// <summary>Starts the server, again after a kill; the ports are new each time, as <c>--*-port 0</c> has it, unless they are given.</summary>
    public async Task StartServerAsync(params string[] more)
    {
        Server = ServerProcess.Start(
            Artifacts.Silo,
            [
                "up", "--data-dir", DataDirectory, "--api-port", "0", "--admin-port", "0", "--grpc-port", "0", "--agent-binary", Artifacts.Agent,
                "--tools-path", Path.GetDirectoryName(Artifacts.Claude)!, .. more,
            ]);
        var endpoints = Path.Combine(DataDirectory, "endpoints.json");
        await Wait.ForAsync(
            () => Server.HasExited ? throw new InvalidOperationException($"The server ended:\n{Server.Output}") : File.Exists(endpoints),
            "endpoints.json", () => Server.Output, TimeSpan.FromSeconds(90));
        using var document = JsonDocument.Parse(await File.ReadAllBytesAsync(endpoints));
        ApiUrl = document.RootElement.GetProperty("api_url").GetString()!;
        AdminUrl = document.RootElement.GetProperty("admin_url").GetString()!;
        ApiKey = document.RootElement.GetProperty("api_key").GetString()!;
        Api = new Api(ApiUrl, ApiKey);
    }

    /// <summary>A key of another tenant, made with the operator's.</summary>
    public async Task<Api> OtherTenantAsync(string tenant)
    {
        var made = await Api.PostAsync("/api/v1/keys", new { name = "other", tenant });
        return new Api(ApiUrl, made.GetProperty("raw_token").GetString()!);
    }

    public async ValueTask DisposeAsync()
    {
        if (Server is not null) await Server.DisposeAsync();
        EndRunners();
        await Model.DisposeAsync();
        if (_ownsFolder) Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Agents outlive the server on purpose; a test must not leave them behind.</summary>
    private void EndRunners()
    {
        var runners = Path.Combine(DataDirectory, "runners");
        if (!Directory.Exists(runners)) return;
        foreach (var folder in Directory.EnumerateDirectories(runners))
        {
            var file = Path.Combine(folder, "pid");
            if (!File.Exists(file) || !int.TryParse(File.ReadAllText(file).Split(' ')[0], out var pid)) continue;
            var command = $"/proc/{pid}/cmdline";
            if (File.Exists(command) && File.ReadAllText(command).Contains(folder, StringComparison.Ordinal)) ServerProcess.Signal(pid, 9);
        }
    }
}

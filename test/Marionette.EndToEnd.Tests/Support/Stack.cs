using System.Text.Json;
using Marionette.ModelServer;

namespace Marionette.EndToEnd.Tests.Support;

/// <summary>A whole stack of shipped programs in a folder of its own: the all-in-one server, its runners, the scripted model server.</summary>
internal sealed class Stack : IAsyncDisposable
{
    private const UnixFileMode Passable = (UnixFileMode)0b111_101_101;

    private readonly string _folder;
    /// <summary>Beside its own; those of the next start.</summary>
    public string[] Arguments { get; set; }
    private readonly IReadOnlyDictionary<string, string>? _environment;

    private Stack(string folder, RunningModelServer model, string[] arguments, IReadOnlyDictionary<string, string>? environment) =>
        (_folder, Model, Arguments, _environment) = (folder, model, arguments, environment);

    public RunningModelServer Model { get; }

    public ServerProcess Server { get; private set; } = null!;

    public string DataDirectory => Path.Combine(_folder, "data");

    public string ApiUrl { get; private set; } = "";

    public string AdminUrl { get; private set; } = "";

    public string ApiKey { get; private set; } = "";

    public Api Api { get; private set; } = null!;

    /// <param name="model">How the model server behaves.</param>
    /// <param name="arguments">More options of the server, also for its restarts; they go before the usual ones.</param>
    /// <param name="environment">More of its environment.</param>
    /// <param name="forModel">Options that name the model server.</param>
    public static async Task<Stack> StartAsync(
        ModelServerOptions? model = null, string[]? arguments = null, IReadOnlyDictionary<string, string>? environment = null,
        Func<RunningModelServer, string[]>? forModel = null)
    {
        var folder = NewFolder();
        var running = await ScriptedModelServer.StartAsync(model ?? new ModelServerOptions());
        var stack = new Stack(folder, running, [.. arguments ?? [], .. forModel?.Invoke(running) ?? []], environment);
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
    public async Task StartServerAsync()
    {
        var endpoints = Path.Combine(DataDirectory, "endpoints.json");
        if (File.Exists(endpoints)) File.Delete(endpoints); // A killed server left it, and it would look like the new one's.
        Server = ServerProcess.Start(
            Artifacts.Silo,
            [
                "up", "--data-dir", DataDirectory, "--api-port", "0", "--admin-port", "0", "--grpc-port", "0", "--agent-binary", Artifacts.Agent,
                "--tools-path", Path.GetDirectoryName(Artifacts.Claude)!, .. Arguments,
            ],
            _environment);
        await Wait.ForAsync(
            () => Server.HasExited ? throw new InvalidOperationException($"The server ended:\n{Server.Output}") : File.Exists(endpoints),
            "endpoints.json", () => Server.Output, TimeSpan.FromSeconds(180));
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
        RunnerProcess.EndAll(DataDirectory);
        await Model.DisposeAsync();
        DeleteFolder(_folder);
    }

    /// <summary>A folder that the database's user can pass: otherwise the cluster would lie elsewhere, and stay there.</summary>
    public static string NewFolder()
    {
        var folder = Directory.CreateTempSubdirectory("marionette-e2e-").FullName;
        File.SetUnixFileMode(folder, Passable);
        return folder;
    }

    /// <summary>Processes that were killed a moment ago may still be writing, hence the patience.</summary>
    public static void DeleteFolder(string folder)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                Directory.Delete(folder, recursive: true);
                return;
            }
            catch (IOException) when (attempt < 100)
            {
                // The pause between two tries; the deletion decides.
                Thread.Sleep(50);
            }
        }
    }
}

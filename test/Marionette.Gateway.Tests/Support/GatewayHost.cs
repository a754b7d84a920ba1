using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Marionette.Gateway.Auth;
using Marionette.Gateway.Hosting;
using Marionette.Gateway.Workspaces;
using Marionette.Silo.Database;
using Marionette.TestSupport;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Marionette.Gateway.Tests.Support;

/// <summary>The gateway over a real socket and a real database, with <see cref="FakeCluster"/> behind it.</summary>
internal sealed class GatewayHost : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly string folder = TestFolder.Create();

    private GatewayHost(WebApplication app, NpgsqlDataSource database, FakeCluster cluster) => (this.app, Database, Cluster) = (app, database, cluster);

    public NpgsqlDataSource Database { get; }

    public FakeCluster Cluster { get; }

    public Uri Url { get; private set; } = null!;

    /// <summary>The operator of tenant "default".</summary>
    public HttpClient Operator { get; private set; } = null!;

    public string OperatorToken { get; private set; } = "";

    public IServiceProvider Services => app.Services;

    /// <summary>Where hosts dial in.</summary>
    public Uri GrpcUrl { get; private set; } = null!;

    /// <param name="chunks">Folder of the chunk store; null = none.</param>
    public static async Task<GatewayHost> StartAsync(PostgresFixture postgres, string? chunks = null) =>
        await StartAsync(MarionetteDataSource.Create(await postgres.CreateDatabaseAsync()), bootstrap: true, chunks is null ? null : StorePlace.In(chunks));

    /// <summary>One with a chunk store anywhere.</summary>
    public static async Task<GatewayHost> StartAsync(PostgresFixture postgres, StorePlace chunks) =>
        await StartAsync(MarionetteDataSource.Create(await postgres.CreateDatabaseAsync()), bootstrap: true, chunks);

    /// <summary>One more on the database and the chunk store of another, which lives longer.</summary>
    public static Task<GatewayHost> StartBesideAsync(GatewayHost other, string chunks) => StartAsync(other.Database, bootstrap: false, StorePlace.In(chunks), ownsDatabase: false);

    /// <summary>One whose database cannot be reached.</summary>
    public static Task<GatewayHost> StartWithoutDatabaseAsync() =>
        StartAsync(NpgsqlDataSource.Create("Host=127.0.0.1;Port=1;Username=x;Database=x;Timeout=2"), bootstrap: false);

    public HttpClient Client(string? token)
    {
        var client = new HttpClient { BaseAddress = Url };
        if (token is not null) client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return client;
    }

    /// <summary>A client with a new key.</summary>
    public async Task<HttpClient> ClientAsync(string tenant, params string[] scopes)
    {
        using var made = await PostAsync(Operator, "/api/v1/keys", new { name = "test", tenant, scopes });
        return Client((await JsonAsync(made)).GetProperty("raw_token").GetString());
    }

    public static async Task<HttpResponseMessage> PostAsync(HttpClient client, string path, object? body, string? key = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path);
        if (body is not null)
            request.Content = new StringContent(body as string ?? JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");
        if (key is not null) request.Headers.Add("Idempotency-Key", key);
        return await client.SendAsync(request);
    }

    public static async Task<JsonElement> JsonAsync(HttpResponseMessage response) =>
        JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement;

    public async Task ExecuteAsync(string sql, params object[] values)
    {
        await using var command = Database.CreateCommand(sql);
        foreach (var value in values) command.Parameters.Add(new() { Value = value });
        await command.ExecuteNonQueryAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await app.StopAsync();
        await app.DisposeAsync();
        Operator.Dispose();
        if (OwnsDatabase) await Database.DisposeAsync();
        TestFolder.Delete(folder);
    }

    private bool OwnsDatabase { get; init; }

    private static async Task<GatewayHost> StartAsync(NpgsqlDataSource database, bool bootstrap, StorePlace? chunks = null, bool ownsDatabase = true)
    {
        var cluster = new FakeCluster();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenForMarionette(IPAddress.Loopback, 0, 0));
        builder.Services.AddSingleton(database).AddSingleton(cluster.Grains);
        builder.Services.AddMarionetteGateway(new GatewayOptions { MasterKey = new(new byte[32]), MaxStreams = 40, TenantPoll = TimeSpan.FromMilliseconds(20), ChunkStore = chunks });
        var app = builder.Build();
        app.MapMarionetteGateway();
        await app.StartAsync();
        // In the order in which they listen.
        Uri[] addresses = [.. app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Select(address => new Uri(address))];
        var host = new GatewayHost(app, database, cluster)
        {
            Url = addresses[0], GrpcUrl = addresses[1], OwnsDatabase = ownsDatabase,
        };
        if (bootstrap) host.OperatorToken = await app.Services.GetRequiredService<ApiKeyStore>().EnsureBootstrapAsync(host.folder, TimeProvider.System);
        host.Operator = host.Client(bootstrap ? host.OperatorToken : null);
        return host;
    }
}

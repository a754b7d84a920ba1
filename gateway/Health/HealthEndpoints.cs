using Marionette.Gateway.Json;
using Marionette.Gateway.Rest;
using Npgsql;

namespace Marionette.Gateway.Health;

/// <summary>State of the gateway and of what it needs.</summary>
/// <param name="Checks">Each part: "ok", or why not.</param>
internal sealed record HealthModel(string Status, IReadOnlyDictionary<string, string>? Checks);

/// <summary>Liveness says that this process answers, and nothing of others: a restart would not bring a database back.</summary>
internal static class HealthEndpoints
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);

    public static void Map(IEndpointRouteBuilder routes)
    {
        foreach (var path in new[] { "/health", "/healthz", "/health/live" })
            routes.MapGet(path, static () => Api.Ok(new HealthModel("ok", null), GatewayJsonContext.Plain.HealthModel))
                .WithGroupName(EndpointDeclarations.Document).WithTags("server").WithSummary("The process answers").Produces<HealthModel>();
        routes.MapGet("/health/ready", ReadyAsync).WithGroupName(EndpointDeclarations.Document)
            .WithTags("server").WithSummary("The database and the cluster can be reached").Produces<HealthModel>().Produces<HealthModel>(503);
    }

    private static async Task<IResult> ReadyAsync(
        HttpContext http, NpgsqlDataSource database, IGrainFactory grains, IHostApplicationLifetime lifetime, TimeProvider clock)
    {
        var checks = new Dictionary<string, string>
        {
            ["database"] = await TryAsync(token => PingAsync(database, token), clock, http.RequestAborted),
            ["cluster"] = await TryAsync(token => grains.GetGrain<IManagementGrain>(0).GetHosts(true, token), clock, http.RequestAborted),
        };
        if (lifetime.ApplicationStopping.IsCancellationRequested) checks["process"] = "stopping";
        var ready = checks.Values.All(state => state == "ok");
        return Api.Ok(
            new HealthModel(ready ? "ok" : "unavailable", checks), GatewayJsonContext.Plain.HealthModel,
            ready ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
    }

    private static async Task PingAsync(NpgsqlDataSource database, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("select 1 from marionette.session_head limit 1");
        await command.ExecuteScalarAsync(cancellationToken);
    }

    private static async Task<string> TryAsync(Func<CancellationToken, Task> check, TimeProvider clock, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(Limit, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await check(both.Token).WaitAsync(both.Token);
            return "ok";
        }
        catch (Exception)
        {
            return "unreachable"; // the reason is in the log of whoever needed it; here it could show addresses to anybody
        }
    }
}

using System.Collections.Immutable;
using System.Text.Json.Serialization.Metadata;
using Marionette.Budgets;
using Marionette.Gateway.Auth;
using Marionette.Gateway.Idempotency;
using Marionette.Gateway.Problems;
using Marionette.Providers;

namespace Marionette.Gateway.Rest;

/// <summary>What the endpoints of all areas share.</summary>
internal sealed class Api(IGrainFactory grains, IdempotencyStore idempotency, GatewayOptions options, TimeProvider clock)
{
    private const string KeyHeader = "Idempotency-Key";
    private const int MaxKeyLength = 255;

    public TimeProvider Clock => clock;

    public string NewId(string prefix) => EntityId.New(prefix, clock.GetUtcNow());

    /// <summary>The grain of an object of the caller's tenant.</summary>
    /// <exception cref="MarionetteException">NotFound: the text cannot be an id of this kind.</exception>
    public T Grain<T>(Caller caller, string idPrefix, string? id) where T : IGrainWithStringKey =>
        grains.GetGrain<T>(GrainKeys.Of(caller.Tenant, Known(idPrefix, id)));

    /// <summary>A grain that the caller's tenant has one of.</summary>
    public T Singleton<T>(Caller caller, string name) where T : IGrainWithStringKey => grains.GetGrain<T>(GrainKeys.Of(caller.Tenant, name));

    /// <summary>The id, if it has the shape of one.</summary>
    /// <exception cref="MarionetteException">NotFound.</exception>
    public static string Known(string idPrefix, string? id) => EntityId.Is(idPrefix, id) ? id! : throw NotFound(idPrefix);

    public static MarionetteException NotFound(string idPrefix) => new(FaultCode.NotFound, idPrefix switch
    {
        EntityId.Session => "There is no such session.",
        EntityId.Task => "There is no such task.",
        EntityId.Permission => "There is no such permission request.",
        EntityId.Runner => "There is no such runner.",
        EntityId.ApiKey => "There is no such key.",
        EntityId.Workspace => "There is no such workspace.",
        EntityId.Policy => "There is no such rule.",
        EntityId.PermissionHook => "There is no such hook.",
        EntityId.ScheduledTask => "There is no such scheduled task.",
        EntityId.Profile => "There is no such profile.",
        EntityId.AgentConfig => "There is no such agent configuration.",
        EntityId.Host => "There is no such host.",
        EntityId.JoinToken => "There is no such join token.",
        _ => "There is no such object.",
    });

    public Task<T> CallAsync<T>(Func<CancellationToken, Task<T>> call, CancellationToken cancellationToken) => GrainCall.RunAsync(clock, call, cancellationToken);

    /// <summary>The budget of the caller's tenant.</summary>
    public IBudgetGrain Budget(Caller caller) => grains.GetGrain<IBudgetGrain>(GrainKeys.Of(caller.Tenant, IBudgetGrain.Id));

    /// <summary>The names of the configured providers.</summary>
    public Task<ImmutableArray<string>> ProvidersAsync(CancellationToken cancellationToken) =>
        CallAsync(token => grains.GetGrain<IProviderCatalogGrain>(IProviderCatalogGrain.Id).GetNamesAsync(token).AsTask(), cancellationToken);

    /// <summary>The names of those that are pools of hosts.</summary>
    public Task<ImmutableArray<string>> PoolsAsync(CancellationToken cancellationToken) =>
        CallAsync(token => grains.GetGrain<IProviderCatalogGrain>(IProviderCatalogGrain.Id).GetPoolsAsync(token).AsTask(), cancellationToken);

    public ValueTask<ReadOnlyMemory<byte>> ReadBodyAsync(HttpContext http) => ReadBodyAsync(http, options.MaxBodyBytes);

    /// <param name="limit">Bytes, for a body that may be larger than others.</param>
    public ValueTask<ReadOnlyMemory<byte>> ReadBodyAsync(HttpContext http, int limit) =>
        RequestBody.ReadAsync(http.Request, Math.Max(limit, options.MaxBodyBytes), http.RequestAborted);

    /// <summary>Binds the caller's Idempotency-Key, if there is one, to this request and to an id.</summary>
    /// <exception cref="MarionetteException">Invalid: not a key; IdempotencyMismatch.</exception>
    public Task<Reservation> ReserveAsync(HttpContext http, Caller caller, ReadOnlyMemory<byte> body, string freshId)
    {
        var request = http.Request;
        string? key = null;
        if (request.Headers.TryGetValue(KeyHeader, out var values))
        {
            key = values.Count == 1 ? values[0] : "";
            if (key is null or { Length: 0 or > MaxKeyLength } || key.Any(c => c is < ' ' or > '~'))
                throw new MarionetteException([new FieldError(KeyHeader, $"must have 1 to {MaxKeyLength} printable ASCII characters")]);
        }
        return idempotency.ReserveAsync(caller.Tenant, key, $"{request.Method} {request.Path}", body, freshId, http.RequestAborted);
    }

    /// <summary>Marks a command that makes no object as carried out, so that a late repeat of it changes nothing.</summary>
    public Task CompleteAsync(Caller caller, Reservation reservation) => CompleteAsync(caller, reservation, IdempotencyStore.Done);

    /// <summary>Binds a request to the id that its command has chosen.</summary>
    public Task CompleteAsync(Caller caller, Reservation reservation, string resultId) =>
        idempotency.CompleteAsync(caller.Tenant, reservation, resultId, CancellationToken.None);

    /// <summary>Frees the key of a request that was refused without a change.</summary>
    public Task ReleaseAsync(Caller caller, Reservation reservation) => idempotency.ReleaseAsync(caller.Tenant, reservation, CancellationToken.None);

    public static IResult Ok<T>(T value, JsonTypeInfo<T> type, int status = StatusCodes.Status200OK) => TypedResults.Json(value, type, statusCode: status);
}

/// <summary>How endpoints are declared.</summary>
internal static class EndpointDeclarations
{
    /// <summary>OpenAPI document, and group name of every endpoint that belongs to it.</summary>
    public const string Document = "v1";

    /// <summary>An endpoint of the API: its scope, its name in the document, and the problems that it can answer with.</summary>
    public static RouteHandlerBuilder Api(this RouteHandlerBuilder endpoint, string scope, string name, string summary, params int[] problems)
    {
        endpoint.WithGroupName(Document).WithName(name).WithSummary(summary).WithTags(scope.Split(':')[0]).WithMetadata(new ScopeMetadata(scope));
        foreach (var status in problems.Concat([400, 401, 403, 503]).Distinct().Order()) endpoint.Produces<ProblemModel>(status, "application/problem+json");
        return endpoint;
    }

    /// <summary>Takes a token in the query too.</summary>
    public static RouteHandlerBuilder Streaming(this RouteHandlerBuilder endpoint, string scope) =>
        endpoint.WithMetadata(new ScopeMetadata(scope, TokenInQuery: true));

    /// <summary>Describes a query parameter that the handler reads by itself.</summary>
    public static RouteHandlerBuilder Query(this RouteHandlerBuilder endpoint, string name, string description, bool repeats = false) =>
        endpoint.WithMetadata(new QueryParameter(name, description, repeats));
}

/// <summary>For the OpenAPI document: a query parameter.</summary>
internal sealed record QueryParameter(string Name, string Description, bool Repeats);

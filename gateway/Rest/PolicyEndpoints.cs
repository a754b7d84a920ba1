using System.Collections.Immutable;
using Marionette.Gateway.Auth;
using Marionette.Gateway.Json;
using Marionette.Gateway.Rest.Models;
using Marionette.Permissions;

namespace Marionette.Gateway.Rest;

internal static class PolicyEndpoints
{
    private const string Read = "policies:read", Write = "policies:write";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/api/v1/policies", ListAsync).Api(Read, "ListPolicies", "The tenant's rules, in the order in which they are tried")
            .Produces<PolicyListModel>();
        routes.MapPost("/api/v1/policies", CreateAsync).Api(Write, "CreatePolicy", "Add a rule; with If-Match only to the version that it names", 409, 413)
            .Accepts<CreatePolicyModel>("application/json").Produces<PolicyModel>(201);
        routes.MapPost("/api/v1/policies/test", TestAsync).Api(Read, "TestPolicies", "What the rules say of a request, or of past ones; nothing is changed", 413)
            .Accepts<TestPolicyModel>("application/json").Produces<TestResultModel>();
        routes.MapGet("/api/v1/policies/{id}", GetAsync).Api(Read, "GetPolicy", "A rule", 404).Produces<PolicyModel>();
        routes.MapPut("/api/v1/policies/{id}", ReplaceAsync).Api(Write, "ReplacePolicy", "Write a rule anew in its place", 404, 409, 413)
            .Accepts<RuleModel>("application/json").Produces<PolicyModel>();
        routes.MapPost("/api/v1/policies/{id}/move", MoveAsync).Api(Write, "MovePolicy", "Put a rule at another position", 404, 409)
            .Accepts<MovePolicyModel>("application/json").Produces<PolicyModel>();
        routes.MapDelete("/api/v1/policies/{id}", RemoveAsync).Api(Write, "DeletePolicy", "Remove a rule", 404, 409).Produces(204);
    }

    private static ITenantPolicyGrain Grain(Api api, Caller caller) => api.Singleton<ITenantPolicyGrain>(caller, ITenantPolicyGrain.Id);

    private static async Task<IResult> ListAsync(HttpContext http, Api api)
    {
        var grain = Grain(api, AuthMiddleware.CallerOf(http));
        var policy = await api.CallAsync(token => grain.GetAsync(token).AsTask(), http.RequestAborted);
        Tag(http, policy);
        var list = new PolicyListModel([.. policy.Rules.Select((rule, i) => PolicyModel.Of(rule, i))], policy.Version, false, policy.Rules.Length);
        return Api.Ok(list, GatewayJsonContext.Plain.PolicyListModel);
    }

    private static async Task<IResult> CreateAsync(HttpContext http, Api api)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var body = await api.ReadBodyAsync(http);
        var model = RequestBody.Parse(body, GatewayJsonContext.Plain.CreatePolicyModel);
        var errors = new FieldErrors();
        var rule = PolicyRules.Check(errors, model);
        int? position = model.Position is { } at ? errors.Number("position", at, 0, TenantPolicy.MaxRules, at) : null;
        errors.ThrowIfAny();
        var version = VersionOf(http);
        var reservation = await api.ReserveAsync(http, caller, body, api.NewId(EntityId.Policy));
        var grain = Grain(api, caller);
        // A repeat finds its rule where it is by now: it asks for no position.
        var policy = await api.CallAsync(
            token => grain.PutRuleAsync(Complete(rule, reservation.ResultId, caller, api), reservation.IsRepeat ? null : position, reservation.IsRepeat ? null : version, token),
            http.RequestAborted);
        http.Response.Headers.Location = $"/api/v1/policies/{reservation.ResultId}";
        Tag(http, policy);
        return Api.Ok(Find(policy, reservation.ResultId), GatewayJsonContext.Plain.PolicyModel, StatusCodes.Status201Created);
    }

    private static async Task<IResult> GetAsync(string id, HttpContext http, Api api)
    {
        var policy = await PolicyWithAsync(id, http, api);
        Tag(http, policy);
        return Api.Ok(Find(policy, id), GatewayJsonContext.Plain.PolicyModel);
    }

    private static async Task<IResult> ReplaceAsync(string id, HttpContext http, Api api)
    {
        var caller = AuthMiddleware.CallerOf(http);
        await PolicyWithAsync(id, http, api);
        var model = RequestBody.Parse(await api.ReadBodyAsync(http), GatewayJsonContext.Plain.RuleModel);
        var errors = new FieldErrors();
        var rule = PolicyRules.Check(errors, model);
        errors.ThrowIfAny();
        var grain = Grain(api, caller);
        var version = VersionOf(http);
        var policy = await api.CallAsync(token => grain.PutRuleAsync(Complete(rule, id, caller, api), null, version, token), http.RequestAborted);
        Tag(http, policy);
        return Api.Ok(Find(policy, id), GatewayJsonContext.Plain.PolicyModel);
    }

    private static async Task<IResult> MoveAsync(string id, HttpContext http, Api api)
    {
        await PolicyWithAsync(id, http, api);
        var model = RequestBody.Parse(await api.ReadBodyAsync(http), GatewayJsonContext.Plain.MovePolicyModel);
        var errors = new FieldErrors();
        if (model.Position is null) errors.Add("position", "is required");
        var position = errors.Number("position", model.Position, 0, TenantPolicy.MaxRules, 0);
        errors.ThrowIfAny();
        var grain = Grain(api, AuthMiddleware.CallerOf(http));
        var version = VersionOf(http);
        var policy = await api.CallAsync(token => grain.MoveRuleAsync(id, position, version, token), http.RequestAborted);
        Tag(http, policy);
        return Api.Ok(Find(policy, id), GatewayJsonContext.Plain.PolicyModel);
    }

    private static async Task<IResult> RemoveAsync(string id, HttpContext http, Api api)
    {
        await PolicyWithAsync(id, http, api);
        var grain = Grain(api, AuthMiddleware.CallerOf(http));
        var version = VersionOf(http);
        await api.CallAsync(token => grain.RemoveRuleAsync(id, version, token), http.RequestAborted);
        return TypedResults.NoContent();
    }

    private static async Task<IResult> TestAsync(HttpContext http, Api api, StateReader rows)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var model = RequestBody.Parse(await api.ReadBodyAsync(http), GatewayJsonContext.Plain.TestPolicyModel);
        var errors = new FieldErrors();
        var rules = PolicyRules.CheckAll(errors, model.Rules, "rules", TenantPolicy.MaxRules);
        if (!rules.IsDefault) rules = [.. rules.Select((rule, i) => rule with { Id = $"rules[{i}]" })];
        var limit = errors.Number("limit", model.Limit, 1, ListQuery.MaxLimit, ListQuery.DefaultLimit);
        if (model.Against is not (null or "past")) errors.Add("against", "must be past");
        else if (model.Against is null == model.Request is null) errors.Add("request", "give either a request or against: past");
        var subject = model.Request is null ? null : Subject(errors, model.Request);
        errors.ThrowIfAny();
        List<PermissionView> past = subject is not null ? [] :
            (await rows.ListAsync(new StateFilter("permission", caller.Tenant, limit, null), StateJsonContext.Default.PermissionView, http.RequestAborted)).Items
                .FindAll(view => !view.BySession); // Rules have no say in them.
        ImmutableArray<PermissionSubject> subjects = subject is not null ? [subject] : [.. past.Select(view => Subject(view))];
        var grain = Grain(api, caller);
        var verdicts = await api.CallAsync(token => grain.TestAsync(subjects, rules, token).AsTask(), http.RequestAborted);
        return Api.Ok(
            new TestResultModel([.. verdicts.Select((v, i) => VerdictModel.Of(v, subject is null ? past[i] : null))]), GatewayJsonContext.Plain.TestResultModel);
    }

    private static PermissionSubject Subject(FieldErrors errors, TestRequestModel model)
    {
        if (string.IsNullOrEmpty(errors.Text("request.tool", model.Tool, 200))) errors.Add("request.tool", "is required");
        return new PermissionSubject
        {
            Tool = model.Tool ?? "", Category = errors.Text("request.category", model.Category, 100) ?? (model.Command is null ? "other" : "command"),
            Command = model.Command, Paths = [.. model.Paths?.OfType<string>() ?? []], Hosts = [.. model.Hosts?.OfType<string>() ?? []],
            Agent = errors.Text("request.agent", model.Agent, 100) ?? "", Labels = errors.Labels("request.labels", model.Labels),
        };
    }

    private static PermissionSubject Subject(PermissionView view) => new()
    {
        Tool = view.Tool, Category = view.Category ?? "other", Command = view.Command, Paths = view.Paths, Hosts = view.Hosts, Agent = view.Agent ?? "",
        WorkspaceId = view.WorkspaceId, Labels = view.SessionLabels, PermissionId = view.Id,
    };

    private static PolicyRule Complete(PolicyRule rule, string id, Caller caller, Api api) =>
        rule with { Id = id, CreatedBy = caller.Actor, CreatedAt = api.Clock.GetUtcNow() };

    private static async Task<TenantPolicy> PolicyWithAsync(string id, HttpContext http, Api api)
    {
        Api.Known(EntityId.Policy, id);
        var grain = Grain(api, AuthMiddleware.CallerOf(http));
        var policy = await api.CallAsync(token => grain.GetAsync(token).AsTask(), http.RequestAborted);
        return policy.Rules.Any(rule => rule.Id == id) ? policy : throw Api.NotFound(EntityId.Policy);
    }

    private static PolicyModel Find(TenantPolicy policy, string id)
    {
        for (var i = 0; i < policy.Rules.Length; i++)
            if (policy.Rules[i].Id == id) return PolicyModel.Of(policy.Rules[i], i);
        throw Api.NotFound(EntityId.Policy);
    }

    private static void Tag(HttpContext http, TenantPolicy policy) => http.Response.Headers.ETag = $"\"{policy.Version}\"";

    /// <summary>The version that a change is meant for; null = whatever there is.</summary>
    private static long? VersionOf(HttpContext http)
    {
        var header = http.Request.Headers.IfMatch;
        if (header.Count == 0 || header is ["*"]) return null;
        return header is [{ } text] && long.TryParse(text.Trim('"'), out var version) ? version
            : throw new MarionetteException([new FieldError("If-Match", "must be the version of the policy, as in its ETag")]);
    }
}

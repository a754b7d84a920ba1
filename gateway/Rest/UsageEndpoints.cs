using System.Globalization;
using Marionette.Gateway.Auth;
using Marionette.Gateway.Json;
using Marionette.Gateway.Rest.Models;

namespace Marionette.Gateway.Rest;

/// <summary>What a tenant uses, and how much it may.</summary>
internal static class UsageEndpoints
{
    private const string Read = "usage:read", Write = "usage:write";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/api/v1/usage", ReportAsync).Api(Read, "GetUsage", "Tokens, money and time of ended runs, in all and by group").Produces<UsageReportModel>()
            .Query("from", "Runs that ended at or after this time, RFC 3339").Query("to", "Runs that ended before this time")
            .Query("group_by", "day, session, task, agent, model, or label:KEY").Query("session_id", "Of this session", true)
            .Query("labels[key]", "Of sessions that have this label", true);
        routes.MapGet("/api/v1/budget", GetAsync).Api(Read, "GetBudget", "The tenant's budget and what was used of it").Produces<TenantSpendingModel>();
        routes.MapPut("/api/v1/budget", SetAsync).Api(Write, "SetBudget", "Replace the tenant's budget; without a limit nothing is bounded", 413)
            .Accepts<TenantBudgetModel>("application/json").Produces<TenantSpendingModel>();
    }

    private static async Task<IResult> ReportAsync(HttpContext http, UsageReader usage)
    {
        var query = new ListQuery(http.Request);
        var filter = new UsageFilter(AuthMiddleware.CallerOf(http).Tenant, Time(query, "from"), Time(query, "to"), Group(query))
        {
            Sessions = query.Many("session_id"), Labels = query.Labels(),
        };
        query.Errors.ThrowIfAny();
        return Api.Ok(await usage.ReadAsync(filter, http.RequestAborted), GatewayJsonContext.Plain.UsageReportModel);
    }

    private static async Task<IResult> GetAsync(HttpContext http, Api api)
    {
        var budget = api.Budget(AuthMiddleware.CallerOf(http));
        return Api.Ok(TenantSpendingModel.Of(await api.CallAsync(token => budget.GetSpendingAsync(token), http.RequestAborted)), GatewayJsonContext.Plain.TenantSpendingModel);
    }

    private static async Task<IResult> SetAsync(HttpContext http, Api api)
    {
        var wanted = BudgetRules.Check(RequestBody.Parse(await api.ReadBodyAsync(http), GatewayJsonContext.Plain.TenantBudgetModel));
        var budget = api.Budget(AuthMiddleware.CallerOf(http));
        return Api.Ok(TenantSpendingModel.Of(await api.CallAsync(token => budget.SetAsync(wanted, token), http.RequestAborted)), GatewayJsonContext.Plain.TenantSpendingModel);
    }

    private static DateTimeOffset? Time(ListQuery query, string name)
    {
        if (query.Single(name) is not { Length: > 0 } text) return null;
        if (DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)) return time;
        query.Errors.Add(name, "must be a time, for example 2026-01-31T00:00:00Z");
        return null;
    }

    private static string? Group(ListQuery query)
    {
        var group = query.Single("group_by");
        if (group is null or "day" or "session" or "task" or "agent" or "model") return group;
        if (group.StartsWith("label:", StringComparison.Ordinal) && group.Length is > 6 and <= 69 && !group.Contains('\0')) return group;
        query.Errors.Add("group_by", "must be day, session, task, agent, model or label:KEY");
        return null;
    }
}

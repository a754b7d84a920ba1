using System.Collections.Immutable;

namespace Marionette.Permissions;

/// <summary>Writes a tenant's rules and hooks. Sessions read the row themselves, see SessionGrain.Permissions.cs.</summary>
[GrainType("policy")]
internal sealed class TenantPolicyGrain([PersistentState(TenantPolicyGrain.RowType, StorageNames.State)] IPersistentState<TenantPolicy> row)
    : Grain, ITenantPolicyGrain
{
    public const string RowType = "policy";

    private TenantPolicy Policy => row.RecordExists ? row.State : new TenantPolicy();

    public ValueTask<TenantPolicy> GetAsync(CancellationToken cancellationToken) => ValueTask.FromResult(Policy);

    public async Task<TenantPolicy> PutRuleAsync(PolicyRule rule, int? position, long? ifVersion, CancellationToken cancellationToken)
    {
        var policy = Policy;
        var at = IndexOf(policy, rule.Id);
        // The answer to a first try may have been lost: the same rule in its place is what was asked for.
        if (at >= 0 && position is null && PolicyText.Same(policy.Rules[at], rule)) return policy;
        MustBe(policy, ifVersion);
        if (at < 0 && policy.Rules.Length >= TenantPolicy.MaxRules)
            throw new MarionetteException(FaultCode.Conflict, $"The tenant has {TenantPolicy.MaxRules} rules, which is the limit: remove one first.");
        var rules = at < 0 ? policy.Rules : policy.Rules.RemoveAt(at);
        return await WriteAsync(policy with { Rules = rules.Insert(Math.Clamp(position ?? (at < 0 ? rules.Length : at), 0, rules.Length), rule) });
    }

    public async Task<TenantPolicy> MoveRuleAsync(string ruleId, int position, long? ifVersion, CancellationToken cancellationToken)
    {
        var policy = Policy;
        var at = MustHave(policy, ruleId);
        MustBe(policy, ifVersion);
        var rules = policy.Rules.RemoveAt(at);
        return await WriteAsync(policy with { Rules = rules.Insert(Math.Clamp(position, 0, rules.Length), policy.Rules[at]) });
    }

    public async Task<TenantPolicy> RemoveRuleAsync(string ruleId, long? ifVersion, CancellationToken cancellationToken)
    {
        var policy = Policy;
        var at = MustHave(policy, ruleId);
        MustBe(policy, ifVersion);
        return await WriteAsync(policy with { Rules = policy.Rules.RemoveAt(at) });
    }

    public async Task<TenantPolicy> PutHookAsync(ApprovalHook hook, CancellationToken cancellationToken)
    {
        var policy = Policy;
        var known = policy.Hooks.FirstOrDefault(h => h.Id == hook.Id);
        if (known is null && policy.Hooks.Length >= TenantPolicy.MaxHooks)
            throw new MarionetteException(FaultCode.Conflict, $"The tenant has {TenantPolicy.MaxHooks} hooks, which is the limit: remove one first.");
        return await WriteAsync(policy with { Hooks = known is null ? policy.Hooks.Add(hook) : policy.Hooks.Replace(known, hook) });
    }

    public async Task<TenantPolicy> RemoveHookAsync(string hookId, CancellationToken cancellationToken)
    {
        var policy = Policy;
        if (policy.Hooks.FirstOrDefault(h => h.Id == hookId) is not { } hook) throw new MarionetteException(FaultCode.NotFound, "There is no such hook.");
        return await WriteAsync(policy with { Hooks = policy.Hooks.Remove(hook) });
    }

    public ValueTask<ImmutableArray<PolicyVerdict>> TestAsync(
        ImmutableArray<PermissionSubject> requests, ImmutableArray<PolicyRule> rules, CancellationToken cancellationToken) =>
        ValueTask.FromResult<ImmutableArray<PolicyVerdict>>([.. requests.Select(r => PolicyEvaluator.Evaluate(r, [], rules.IsDefault ? Policy.Rules : rules))]);

    private static int IndexOf(TenantPolicy policy, string ruleId)
    {
        for (var i = 0; i < policy.Rules.Length; i++)
            if (policy.Rules[i].Id == ruleId) return i;
        return -1;
    }

    private static int MustHave(TenantPolicy policy, string ruleId) =>
        IndexOf(policy, ruleId) is >= 0 and var at ? at : throw new MarionetteException(FaultCode.NotFound, "There is no such rule.");

    private static void MustBe(TenantPolicy policy, long? version)
    {
        if (version is { } expected && expected != policy.Version)
            throw new MarionetteException(FaultCode.Conflict, $"The policy has version {policy.Version}, not {expected}: somebody changed it. Read it, then decide.");
    }

    private async Task<TenantPolicy> WriteAsync(TenantPolicy policy)
    {
        var before = row.State;
        row.State = policy with { Version = policy.Version + 1 };
        try
        {
            await row.WriteStateAsync();
        }
        catch
        {
            row.State = before;
            DeactivateOnIdle();
            throw;
        }

        return row.State;
    }
}

/// <summary>Rules compared by what they say.</summary>
internal static class PolicyText
{
    public static bool Same(PolicyRule a, PolicyRule b) => TextOf(a) == TextOf(b);

    private static string TextOf(PolicyRule rule) => System.Text.Json.JsonSerializer.Serialize(
        rule with { CreatedAt = default, CreatedBy = null }, Json.GrainsJsonContext.Default.PolicyRule);
}

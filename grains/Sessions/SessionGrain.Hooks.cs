using Marionette.Permissions;
using Microsoft.Extensions.Logging;

namespace Marionette.Sessions;

/// <content>
/// Hooks are asked beside people, and never by a turn: each open request has a loop of its own for each of its hooks, which ends with the request. What
/// is to be asked stands in the state, so a new activation asks again; a hook that answered twice has answered once.
/// </content>
internal sealed partial class SessionGrain
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1), LongestPause = TimeSpan.FromMinutes(1);

    private readonly Dictionary<string, CancellationTokenSource> _asking = [];

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        foreach (var asking in _asking.Values) asking.Cancel();
        _asking.Clear();
        return Task.CompletedTask;
    }

    /// <summary>Starts what should be under way and is not, and ends what the state has overtaken.</summary>
    private void AskHooks()
    {
        if (_asking.Count == 0 && _state.Permissions.IsEmpty) return;
        foreach (var (id, asking) in _asking.ToArray())
        {
            if (IsOpen(id)) continue;
            asking.Cancel();
            _asking.Remove(id);
        }

        foreach (var permission in _state.Permissions)
        {
            if (permission.DecisionSeq != 0 || permission.View.Hooks.IsEmpty || _asking.ContainsKey(permission.View.Id)) continue;
            var asking = _asking[permission.View.Id] = new CancellationTokenSource();
            foreach (var hook in permission.View.Hooks) AskHook(permission.View, hook, asking.Token);
        }
    }

    private bool IsOpen(string permissionId) => _state.Permissions.Any(p => p.View.Id == permissionId && p.DecisionSeq == 0);

    private async void AskHook(PermissionView request, string hookId, CancellationToken stop)
    {
        for (var pause = FirstPause; !stop.IsCancellationRequested; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            try
            {
                if (await ReadPolicyAsync(stop) is not { } policy || policy.Hooks.FirstOrDefault(h => h.Id == hookId) is not { } hook) return;
                // One that was paused meanwhile is looked at again later, as one that does not answer is.
                if (!hook.Paused)
                {
                    var answer = await hookCaller.AskAsync(_tenant, hook, request, stop);
                    if (answer.Allow is { } allow) await AnswerAsync(request.Id, hook, answer, allow);
                    return;
                }
            }
            catch (MarionetteException e) when (e.Code is not (FaultCode.Unavailable or FaultCode.OutcomeUnknown))
            {
                // Somebody was first, or the hook may not answer this one.
                Log.HookRefused(logger, hookId, _tenant, request.Id, e.Message);
                return;
            }
            catch (Exception e) when (!stop.IsCancellationRequested)
            {
                Log.HookFailed(logger, hookId, _tenant, request.Id, e.Message, pause);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            try
            {
                await Task.Delay(pause, clock, stop);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>By a call, like everybody else's answer: this code runs between turns.</summary>
    private Task<PermissionView> AnswerAsync(string permissionId, ApprovalHook hook, HookAnswer answer, bool allow) =>
        this.AsReference<ISessionGrain>().DecidePermissionAsync(new DecidePermission(
            permissionId, $"{hook.Id}/{permissionId}", allow, string.IsNullOrEmpty(hook.Name) ? $"hook {hook.Id}" : $"hook \"{hook.Name}\" ({hook.Id})",
            answer.Reason, allow ? answer.UpdatedInput : null, false, null, hook.Id, hook.Name));

    private static partial class Log
    {
        [LoggerMessage(1011, LogLevel.Warning, "Hook {Hook} of tenant {Tenant} gave no answer to {Permission}: {Cause}; it is asked again in {Pause}", EventName = "session.hook.failed")]
        public static partial void HookFailed(ILogger logger, string hook, string tenant, string permission, string cause, TimeSpan pause);

        [LoggerMessage(1012, LogLevel.Information, "Hook {Hook} of tenant {Tenant} answered {Permission} in vain: {Cause}", EventName = "session.hook.refused")]
        public static partial void HookRefused(ILogger logger, string hook, string tenant, string permission, string cause);
    }
}

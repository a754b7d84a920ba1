namespace Marionette.Permissions;

/// <summary>Asks a hook about a request. A seam to the outside: grains do no HTTP.</summary>
public interface IApprovalHookCaller
{
    /// <summary>One post and its answer.</summary>
    /// <exception cref="ApprovalHookException">No answer that can be used: worth another try while the request is open.</exception>
    Task<HookAnswer> AskAsync(string tenant, ApprovalHook hook, PermissionView request, CancellationToken cancellationToken);
}

/// <summary>What a hook says.</summary>
/// <param name="Allow">Null = it has no opinion.</param>
/// <param name="Reason">Why, for people and the agent.</param>
/// <param name="UpdatedInput">JSON object in UTF-8 that replaces the input; null = as asked.</param>
public sealed record HookAnswer(bool? Allow, string? Reason, byte[]? UpdatedInput);

/// <summary>A hook gave no answer that can be used. The message holds no secret.</summary>
public sealed class ApprovalHookException(string message) : Exception(message);

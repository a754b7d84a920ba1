using System.Collections.Immutable;

namespace Marionette.Sessions;

/// <summary>Creates the session that the key names. Repeating it gives the same session.</summary>
/// <param name="Name">For people; at most 200 characters.</param>
/// <param name="Agent">"claude" or "command".</param>
/// <param name="Model">Model name for the agent; null = the agent's default.</param>
/// <param name="BaseUrl">Where the model API is; null = the vendor's.</param>
/// <param name="Secrets">Sealed api_key and env (see the gateway's SecretSealer); null = none.</param>
/// <param name="EnvNames">Names of the sealed environment variables, for views.</param>
/// <param name="WorkspaceId">An existing workspace; null = a new one.</param>
/// <param name="IdleTimeoutSeconds">Suspend after so long without a task; null = never.</param>
/// <param name="PermissionMode">"default", "acceptEdits", "plan", "bypassPermissions".</param>
/// <param name="PermissionTimeoutSeconds">An unanswered permission request is denied after this.</param>
/// <param name="Command">argv of the "command" agent.</param>
[GenerateSerializer, Immutable, Alias("mn.session.create.v1")]
public sealed record CreateSession(
    [property: Id(0)] string? Name,
    [property: Id(1)] string Agent,
    [property: Id(2)] string? Model,
    [property: Id(3)] string? BaseUrl,
    [property: Id(4)] SealedSecrets? Secrets,
    [property: Id(5)] ImmutableArray<string> EnvNames,
    [property: Id(6)] string? WorkspaceId,
    [property: Id(7)] string? ProfileId,
    [property: Id(8)] string? AgentConfigId,
    [property: Id(9)] string LifecycleMode,
    [property: Id(10)] int? IdleTimeoutSeconds,
    [property: Id(11)] string NetworkPolicy,
    [property: Id(12)] ImmutableArray<string> AllowedHosts,
    [property: Id(13)] ImmutableDictionary<string, string> Labels,
    [property: Id(14)] string PermissionMode,
    [property: Id(15)] int PermissionTimeoutSeconds,
    [property: Id(16)] bool IncludeRaw,
    [property: Id(17)] ImmutableArray<string> Command);

/// <summary>Secrets of a session under AES-256-GCM; only the silo that sets a runner up opens them.</summary>
/// <param name="KeyId">Which master key.</param>
/// <param name="Box">nonce ‖ ciphertext ‖ tag. The associated data is tenant, session and purpose: it opens nowhere else.</param>
[GenerateSerializer, Immutable, Alias("mn.session.sealed.v1")]
public sealed record SealedSecrets([property: Id(0)] string KeyId, [property: Id(1)] byte[] Box)
{
    /// <summary>Never the content.</summary>
    public override string ToString() => $"SealedSecrets({KeyId})";
}

/// <summary>Queues a prompt as the task that it names. Repeating it gives the same task.</summary>
/// <param name="TaskId">Made by the caller, so that a retry finds it.</param>
/// <param name="Prompt">1 byte to 1 MiB of UTF-8.</param>
/// <param name="TimeoutSeconds">Limit of each run; 1 s to 7 days.</param>
/// <param name="MaxRetries">New runs after a failure; 0 to 10.</param>
[GenerateSerializer, Immutable, Alias("mn.session.submit-task.v1")]
public sealed record SubmitTask(
    [property: Id(0)] string TaskId,
    [property: Id(1)] string Prompt,
    [property: Id(2)] int TimeoutSeconds,
    [property: Id(3)] int MaxRetries,
    [property: Id(4)] ImmutableDictionary<string, string> Labels,
    [property: Id(5)] string? ContinueFrom);

/// <summary>Asks for an end of the task; a queued one ends at once, a running one when its agent has stopped.</summary>
[GenerateSerializer, Immutable, Alias("mn.session.cancel-task.v1")]
public sealed record CancelTask([property: Id(0)] string TaskId, [property: Id(1)] string? By, [property: Id(2)] string? Reason);

/// <summary>Queues an ended task again as a new run.</summary>
/// <param name="CommandId">The retry with the same id is done once.</param>
[GenerateSerializer, Immutable, Alias("mn.session.retry-task.v1")]
public sealed record RetryTask([property: Id(0)] string TaskId, [property: Id(1)] string CommandId);

/// <summary>The answer to a permission request. The first one stands.</summary>
/// <param name="CommandId">The same id gives the same answer again; another is a conflict that names the winner.</param>
/// <param name="UpdatedInput">JSON object in UTF-8 that replaces the tool's input; null = as asked.</param>
/// <param name="Interrupt">With a denial: end the turn as well.</param>
[GenerateSerializer, Immutable, Alias("mn.session.decide-permission.v1")]
public sealed record DecidePermission(
    [property: Id(0)] string PermissionId,
    [property: Id(1)] string CommandId,
    [property: Id(2)] bool Allow,
    [property: Id(3)] string By,
    [property: Id(4)] string? Reason,
    [property: Id(5)] byte[]? UpdatedInput,
    [property: Id(6)] bool Interrupt);

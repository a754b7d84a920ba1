using System.Collections.Immutable;
using Marionette.Permissions;
using Marionette.Runners;
using Marionette.Tasks;

namespace Marionette.Sessions;

/// <summary>Creates the session that the key names. Repeating it gives the same session.</summary>
/// <param name="Name">For people; at most 200 characters.</param>
/// <param name="Agent">A kind of docs/reference/agents.md.</param>
/// <param name="Model">Model name for the agent; null = the agent's default.</param>
/// <param name="BaseUrl">Where the model API is; null = the vendor's.</param>
/// <param name="Secrets">Sealed api_key, env and options (see the gateway's SecretSealer); null = none.</param>
/// <param name="EnvNames">Names of the sealed environment variables, for views.</param>
/// <param name="WorkspaceId">An existing workspace; null = a new one.</param>
/// <param name="IdleTimeoutSeconds">Suspend after so long without a task; null = never.</param>
/// <param name="PermissionMode">"default", "acceptEdits", "plan", "bypassPermissions".</param>
/// <param name="PermissionTimeoutSeconds">An unanswered permission request is denied after this.</param>
/// <param name="Command">argv of the program that the "command" and "acp" agents start.</param>
/// <param name="OptionNames">Names of the sealed options of the agent kind, for views.</param>
/// <param name="Budget">For all of its tasks together; null = none.</param>
/// <param name="AutoContinue">Tasks that wait for quota go on by themselves when it is there again.</param>
/// <param name="Provider">Backend that makes its runners; null = the installation's default.</param>
/// <param name="PermissionPolicy">How its requests are asked, where no rule says otherwise.</param>
/// <param name="PermissionRules">Rules of its own; they go before the tenant's, see PolicyEvaluator.</param>
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
    [property: Id(17)] ImmutableArray<string> Command,
    [property: Id(18)] ImmutableArray<string> OptionNames = default,
    [property: Id(19)] Budget? Budget = null,
    [property: Id(20)] bool AutoContinue = false,
    [property: Id(21)] string? Provider = null,
    [property: Id(60)] PermissionTerms? PermissionPolicy = null,
    [property: Id(61)] ImmutableArray<PolicyRule> PermissionRules = default)
{
    /// <summary>What its workspace begins with; null = nothing. Not together with <see cref="WorkspaceId"/>.</summary>
    [Id(62)] public SessionOrigin? Origin { get; init; }

    /// <summary>How long it lives; 60 s to a year; null = until somebody ends it. See <see cref="ISessionGrain.ExtendAsync"/>.</summary>
    [Id(63)] public int? TtlSeconds { get; init; }

    /// <summary>One of <see cref="Failover"/>; null = <see cref="Failover.AtOnce"/>.</summary>
    [Id(64)] public string? FailoverPolicy { get; init; }

    /// <summary>How it is suspended where nobody says: one of <see cref="SuspendStrategies"/>; null = release.</summary>
    [Id(70)] public string? SuspendStrategy { get; init; }
}

/// <summary>What becomes of a run that was cut off: its runner was lost, or its agent died and was started again.</summary>
public static class Failover
{
    /// <summary>It goes on by itself, on another runner where need be, from the last checkpoint. The default.</summary>
    public const string AtOnce = "at_once";

    /// <summary>The task waits, and the inbox asks whether it shall go on.</summary>
    public const string Ask = "ask";

    /// <summary>The task fails with <c>runner_lost</c>; those behind it go on.</summary>
    public const string Never = "never";
}

/// <summary>Moves the end of a session's life. Exactly one of the three is given.</summary>
/// <param name="CommandId">The same id again changes nothing.</param>
/// <param name="Seconds">Added to its end, or to now where it has none; 60 s to a year.</param>
/// <param name="Until">Its end.</param>
/// <param name="Never">It lives until somebody ends it.</param>
[GenerateSerializer, Immutable, Alias("mn.session.extend.v1")]
public sealed record ExtendSession(
    [property: Id(0)] string CommandId,
    [property: Id(1)] string By,
    [property: Id(2)] int? Seconds,
    [property: Id(3)] DateTimeOffset? Until,
    [property: Id(4)] bool Never);

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
    [property: Id(5)] string? ContinueFrom,
    [property: Id(6)] ImmutableArray<TaskFile> Files = default,
    [property: Id(7)] string? OutputSchema = null,
    [property: Id(8)] Budget? Budget = null,
    [property: Id(9)] bool NewConversation = false);

/// <summary>More for a task.</summary>
/// <param name="MessageId">"msg_…", made by the caller: the same one is taken once. A task that it becomes has the same letters after "task_".</param>
/// <param name="Text">1 byte to 1 MiB of UTF-8.</param>
/// <param name="By">Who says it.</param>
[GenerateSerializer, Immutable, Alias("mn.session.send-message.v1")]
public sealed record SendMessage(
    [property: Id(0)] string TaskId,
    [property: Id(1)] string MessageId,
    [property: Id(2)] string Text,
    [property: Id(3)] string By,
    [property: Id(4)] ImmutableArray<TaskFile> Files = default);

/// <summary>Where a message went.</summary>
/// <param name="TaskId">Task that it belongs to: the one that it was for, or the one that it became.</param>
/// <param name="Status">"sent" (on its way into the turn), "queued" (a task of its own).</param>
[GenerateSerializer, Immutable, Alias("mn.session.message-receipt.v1")]
public sealed record MessageReceipt([property: Id(0)] string MessageId, [property: Id(1)] string TaskId, [property: Id(2)] string Status);

/// <summary>See <see cref="ITaskGrain.MoveAsync"/>.</summary>
[GenerateSerializer, Immutable, Alias("mn.session.move-task.v1")]
public sealed record MoveTask([property: Id(0)] string TaskId, [property: Id(1)] string? Before);

/// <summary>See <see cref="ITaskGrain.ContinueAsync"/>.</summary>
[GenerateSerializer, Immutable, Alias("mn.session.continue-task.v1")]
public sealed record ContinueTask([property: Id(0)] string TaskId, [property: Id(1)] string By, [property: Id(2)] Budget? Budget);

/// <summary>Changes what may change in the life of a session. Null leaves a member as it is.</summary>
/// <param name="Model">Model from now on; "" = the agent's default.</param>
/// <param name="PermissionMode">As in <see cref="CreateSession"/>.</param>
/// <param name="Budget">A budget without any limit takes the limits away.</param>
[GenerateSerializer, Immutable, Alias("mn.session.change.v1")]
public sealed record ChangeSession(
    [property: Id(0)] string By,
    [property: Id(1)] string? Name = null,
    [property: Id(2)] ImmutableDictionary<string, string>? Labels = null,
    [property: Id(3)] string? Model = null,
    [property: Id(4)] string? PermissionMode = null,
    [property: Id(5)] Budget? Budget = null,
    [property: Id(6)] bool? AutoContinue = null,
    [property: Id(7)] NetworkChange? Network = null)
{
    /// <summary>Provider to go on at; null = where it is. A runner that it has stores a last checkpoint and goes first.</summary>
    [Id(8)] public string? Provider { get; init; }

    /// <summary>One of <see cref="Failover"/>; null = as it was.</summary>
    [Id(10)] public string? FailoverPolicy { get; init; }

    /// <summary>One of <see cref="SuspendStrategies"/>; null = as it was. Refused where its provider cannot pause.</summary>
    [Id(11)] public string? SuspendStrategy { get; init; }
}

/// <summary>A change of what the session's runner may reach; in force at once where its provider controls it.</summary>
/// <param name="Policy">"open", "allow_list", "deny"; null = as it was.</param>
/// <param name="AllowedHosts">The whole list; default = as it was.</param>
/// <param name="Allow">Added to the list; a session with "deny" gets "allow_list" by it.</param>
[GenerateSerializer, Immutable, Alias("mn.session.network.v1")]
public sealed record NetworkChange(
    [property: Id(0)] string? Policy = null,
    [property: Id(1)] ImmutableArray<string> AllowedHosts = default,
    [property: Id(2)] string? Allow = null);

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
/// <param name="Remember">With an approval: "task", "session" or "tenant" makes a rule of it; null = this once.</param>
/// <param name="Actor">Who it is, for lists of approvers and the two-person rule: id of a key, or the actor of a link; null = <paramref name="By"/>.</param>
/// <param name="ActorName">The key's name.</param>
[GenerateSerializer, Immutable, Alias("mn.session.decide-permission.v1")]
public sealed record DecidePermission(
    [property: Id(0)] string PermissionId,
    [property: Id(1)] string CommandId,
    [property: Id(2)] bool Allow,
    [property: Id(3)] string By,
    [property: Id(4)] string? Reason,
    [property: Id(5)] byte[]? UpdatedInput,
    [property: Id(6)] bool Interrupt,
    [property: Id(7)] string? Remember = null,
    [property: Id(8)] string? Actor = null,
    [property: Id(9)] string? ActorName = null);

/// <summary>Hands a request on: from now on <paramref name="To"/> answers it instead of the one who hands it on.</summary>
/// <param name="CommandId">The same id again changes nothing.</param>
[GenerateSerializer, Immutable, Alias("mn.session.delegate-permission.v1")]
public sealed record DelegatePermission(
    [property: Id(0)] string PermissionId,
    [property: Id(1)] string CommandId,
    [property: Id(2)] string By,
    [property: Id(3)] string Actor,
    [property: Id(4)] string? ActorName,
    [property: Id(5)] string To,
    [property: Id(6)] string? Reason);

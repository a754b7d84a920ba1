using System.Text.Json;
using System.Text.Json.Serialization;
using Marionette.AgentConfigs;
using Marionette.Permissions;
using Marionette.Profiles;
using Marionette.Runners;
using Marionette.Sessions;
using Marionette.Tasks;
using Marionette.Workspaces;

namespace Marionette.Json;

/// <summary>All JSON that the grains store: payloads of events and state rows. snake_case, nulls left out, enums by name.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters =
    [
        typeof(SnakeCaseEnum<SessionStatus>), typeof(SnakeCaseEnum<TaskState>), typeof(SnakeCaseEnum<RunStatus>),
        typeof(SnakeCaseEnum<PermissionStatus>), typeof(SnakeCaseEnum<RunnerStatus>), typeof(SnakeCaseEnum<PolicyEffect>),
    ])]
[JsonSerializable(typeof(SessionCreated))]
[JsonSerializable(typeof(SessionActivated))]
[JsonSerializable(typeof(BudgetQuestion))]
[JsonSerializable(typeof(SessionSuspending))]
[JsonSerializable(typeof(SessionMoved))]
[JsonSerializable(typeof(SessionExpiring))]
[JsonSerializable(typeof(SessionExtended))]
[JsonSerializable(typeof(FailoverQuestion))]
[JsonSerializable(typeof(SessionRestored))]
[JsonSerializable(typeof(CheckpointView))]
[JsonSerializable(typeof(SessionSuspended))]
[JsonSerializable(typeof(SessionResuming))]
[JsonSerializable(typeof(SessionTerminated))]
[JsonSerializable(typeof(SessionFailed))]
[JsonSerializable(typeof(RunnerAssigned))]
[JsonSerializable(typeof(RunnerConnected))]
[JsonSerializable(typeof(RunnerDisconnected))]
[JsonSerializable(typeof(RunnerReleased))]
[JsonSerializable(typeof(RunnerLost))]
[JsonSerializable(typeof(RunnerPausing))]
[JsonSerializable(typeof(RunnerPaused))]
[JsonSerializable(typeof(RunnerPauseFailed))]
[JsonSerializable(typeof(RunnerUnpausing))]
[JsonSerializable(typeof(ProfileView))]
[JsonSerializable(typeof(RunnerProgress))]
[JsonSerializable(typeof(RunnerThrottled))]
[JsonSerializable(typeof(RunnerUnthrottled))]
[JsonSerializable(typeof(NetworkBlocked))]
[JsonSerializable(typeof(NetworkChanged))]
[JsonSerializable(typeof(WorkspaceReady))]
[JsonSerializable(typeof(WorkspaceReadyReport))]
[JsonSerializable(typeof(CheckpointCreated))]
[JsonSerializable(typeof(CheckpointReport))]
[JsonSerializable(typeof(TaskCreated))]
[JsonSerializable(typeof(TaskDispatched))]
[JsonSerializable(typeof(TaskStarted))]
[JsonSerializable(typeof(TaskInterrupted))]
[JsonSerializable(typeof(TaskCancelRequested))]
[JsonSerializable(typeof(TaskRetried))]
[JsonSerializable(typeof(TaskEnded))]
[JsonSerializable(typeof(SessionChanged))]
[JsonSerializable(typeof(SessionConfigured))]
[JsonSerializable(typeof(SessionConfigureRefused))]
[JsonSerializable(typeof(TaskMoved))]
[JsonSerializable(typeof(TaskHeld))]
[JsonSerializable(typeof(TaskReleased))]
[JsonSerializable(typeof(MessageSent))]
[JsonSerializable(typeof(MessageDelivered))]
[JsonSerializable(typeof(MessageRefused))]
[JsonSerializable(typeof(MessageQueued))]
[JsonSerializable(typeof(BudgetWarning))]
[JsonSerializable(typeof(BudgetExceeded))]
[JsonSerializable(typeof(BudgetChanged))]
[JsonSerializable(typeof(UsageReport))]
[JsonSerializable(typeof(ProgressReport))]
[JsonSerializable(typeof(MessageNotice))]
[JsonSerializable(typeof(ConfigureNotice))]
[JsonSerializable(typeof(TaskFiles))]
[JsonSerializable(typeof(UsageRow))]
[JsonSerializable(typeof(PermissionRequested))]
[JsonSerializable(typeof(PermissionDecided))]
[JsonSerializable(typeof(PermissionApprovalAdded))]
[JsonSerializable(typeof(PermissionEscalated))]
[JsonSerializable(typeof(PermissionDelegated))]
[JsonSerializable(typeof(PermissionExpired))]
[JsonSerializable(typeof(PermissionCanceled))]
[JsonSerializable(typeof(PermissionDelivered))]
[JsonSerializable(typeof(RunStartedReport))]
[JsonSerializable(typeof(RunFinishedReport))]
[JsonSerializable(typeof(PermissionReport))]
[JsonSerializable(typeof(PermissionNotice))]
[JsonSerializable(typeof(RunnerStoppedReport))]
[JsonSerializable(typeof(SessionView))]
[JsonSerializable(typeof(SessionCheckpoint))]
[JsonSerializable(typeof(FilesRow))]
[JsonSerializable(typeof(SealedSecrets))]
[JsonSerializable(typeof(TaskView))]
[JsonSerializable(typeof(PermissionView))]
[JsonSerializable(typeof(PolicyRule))]
[JsonSerializable(typeof(TenantPolicy))]
[JsonSerializable(typeof(WorkspaceView))]
[JsonSerializable(typeof(RunnerView))]
[JsonSerializable(typeof(AgentConfigRecord))]
[JsonSerializable(typeof(AgentDefaultView))]
internal sealed partial class GrainsJsonContext : JsonSerializerContext;

/// <summary>Enums by name in snake_case: numbers would tie stored rows to the order of a declaration.</summary>
internal sealed class SnakeCaseEnum<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false)
    where T : struct, Enum;

using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Marionette.Gateway.Health;
using Marionette.Gateway.Problems;
using Marionette.Gateway.Rest.Models;

namespace Marionette.Gateway.Json;

/// <summary>All JSON that the gateway takes or gives. Null members are left out, unknown and doubled ones are refused.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    AllowDuplicateProperties = false)]
[JsonSerializable(typeof(ProblemModel))]
[JsonSerializable(typeof(CreateSessionModel))]
[JsonSerializable(typeof(CreateTaskModel))]
[JsonSerializable(typeof(ApprovePermissionModel))]
[JsonSerializable(typeof(DenyPermissionModel))]
[JsonSerializable(typeof(DelegatePermissionModel))]
[JsonSerializable(typeof(DecidePermissionsModel))]
[JsonSerializable(typeof(DecisionListModel))]
[JsonSerializable(typeof(RememberedModel))]
[JsonSerializable(typeof(CreateLinkModel))]
[JsonSerializable(typeof(LinkModel))]
[JsonSerializable(typeof(CreateHookModel))]
[JsonSerializable(typeof(CreatedHookModel))]
[JsonSerializable(typeof(HookModel))]
[JsonSerializable(typeof(ListModel<HookModel>), TypeInfoPropertyName = "HookList")]
[JsonSerializable(typeof(RuleModel))]
[JsonSerializable(typeof(CreatePolicyModel))]
[JsonSerializable(typeof(MovePolicyModel))]
[JsonSerializable(typeof(TestPolicyModel))]
[JsonSerializable(typeof(TestResultModel))]
[JsonSerializable(typeof(PolicyModel))]
[JsonSerializable(typeof(PolicyListModel))]
[JsonSerializable(typeof(ReasonModel))]
[JsonSerializable(typeof(SuspendSessionModel))]
[JsonSerializable(typeof(CreateKeyModel))]
[JsonSerializable(typeof(CreatedKeyModel))]
[JsonSerializable(typeof(KeyModel))]
[JsonSerializable(typeof(SessionModel))]
[JsonSerializable(typeof(TaskModel))]
[JsonSerializable(typeof(ChangeSessionModel))]
[JsonSerializable(typeof(SendMessageModel))]
[JsonSerializable(typeof(MoveTaskModel))]
[JsonSerializable(typeof(ContinueTaskModel))]
[JsonSerializable(typeof(TenantBudgetModel))]
[JsonSerializable(typeof(TenantSpendingModel))]
[JsonSerializable(typeof(UsageReportModel))]
[JsonSerializable(typeof(MessageReceiptModel))]
[JsonSerializable(typeof(StatusModel))]
[JsonSerializable(typeof(HealthModel))]
[JsonSerializable(typeof(AgentListModel))]
[JsonSerializable(typeof(LogModel))]
[JsonSerializable(typeof(PermissionRequestModel))]
[JsonSerializable(typeof(RunnerModel))]
[JsonSerializable(typeof(CreateScheduledTaskModel))]
[JsonSerializable(typeof(UpdateScheduledTaskModel))]
[JsonSerializable(typeof(ScheduledTaskModel))]
[JsonSerializable(typeof(AllowHostModel))]
[JsonSerializable(typeof(ExtendSessionModel))]
[JsonSerializable(typeof(ProviderListModel))]
[JsonSerializable(typeof(PoolModel))]
[JsonSerializable(typeof(HostModel))]
[JsonSerializable(typeof(ChangeHostModel))]
[JsonSerializable(typeof(JoinTokenModel))]
[JsonSerializable(typeof(CreateJoinTokenModel))]
[JsonSerializable(typeof(CreatedJoinTokenModel))]
[JsonSerializable(typeof(ListModel<PoolModel>), TypeInfoPropertyName = "PoolList")]
[JsonSerializable(typeof(ListModel<HostModel>), TypeInfoPropertyName = "HostList")]
[JsonSerializable(typeof(ListModel<JoinTokenModel>), TypeInfoPropertyName = "JoinTokenList")]
[JsonSerializable(typeof(ChangeProfileModel))]
[JsonSerializable(typeof(ProfileModel))]
[JsonSerializable(typeof(ListModel<ProfileModel>), TypeInfoPropertyName = "ProfileList")]
[JsonSerializable(typeof(CreateAgentConfigModel))]
[JsonSerializable(typeof(UpdateAgentConfigModel))]
[JsonSerializable(typeof(AgentConfigModel))]
[JsonSerializable(typeof(ListModel<ScheduledTaskModel>), TypeInfoPropertyName = "ScheduledTaskList")]
[JsonSerializable(typeof(ListModel<OccurrenceModel>), TypeInfoPropertyName = "OccurrenceList")]
[JsonSerializable(typeof(ListModel<AgentConfigModel>), TypeInfoPropertyName = "AgentConfigList")]
[JsonSerializable(typeof(ListModel<SessionModel>), TypeInfoPropertyName = "SessionList")]
[JsonSerializable(typeof(RestoreSessionModel))]
[JsonSerializable(typeof(SnapshotModel))]
[JsonSerializable(typeof(ChangeSnapshotModel))]
[JsonSerializable(typeof(FileListModel))]
[JsonSerializable(typeof(ChangeListModel))]
[JsonSerializable(typeof(StorageModel))]
[JsonSerializable(typeof(CollectionModel))]
[JsonSerializable(typeof(RewrapModel))]
[JsonSerializable(typeof(CheckModel))]
[JsonSerializable(typeof(ListModel<CheckpointModel>), TypeInfoPropertyName = "CheckpointList")]
[JsonSerializable(typeof(ListModel<SnapshotModel>), TypeInfoPropertyName = "SnapshotList")]
[JsonSerializable(typeof(ListModel<TaskModel>), TypeInfoPropertyName = "TaskList")]
[JsonSerializable(typeof(ListModel<TaskRunModel>), TypeInfoPropertyName = "TaskRunList")]
[JsonSerializable(typeof(ListModel<PermissionRequestModel>), TypeInfoPropertyName = "PermissionRequestList")]
[JsonSerializable(typeof(ListModel<RunnerModel>), TypeInfoPropertyName = "RunnerList")]
[JsonSerializable(typeof(ListModel<KeyModel>), TypeInfoPropertyName = "KeyList")]
[JsonSerializable(typeof(ListModel<LogModel>), TypeInfoPropertyName = "LogList")]
[JsonSerializable(typeof(Dictionary<string, string>))]
[JsonSerializable(typeof(JsonElement))]
internal sealed partial class GatewayJsonContext : JsonSerializerContext
{
    /// <summary>Writes text as it is: answers are no HTML, and escaping would make most of the world's languages six times as long.</summary>
    public static GatewayJsonContext Plain => Holder.Context;

    // Apart, because the order of static members over the two halves of this class is not defined.
    private static class Holder
    {
        public static readonly GatewayJsonContext Context =
            new(new JsonSerializerOptions(Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
    }
}

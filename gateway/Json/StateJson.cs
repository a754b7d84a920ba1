using System.Text.Json;
using System.Text.Json.Serialization;
using Marionette.AgentConfigs;
using Marionette.Profiles;
using Marionette.Gateway.Rest.Models;
using Marionette.Permissions;
using Marionette.Runners;
using Marionette.Schedules;
using Marionette.Sessions;
using Marionette.Tasks;

namespace Marionette.Gateway.Json;

/// <summary>Reads the views that stand in <c>grain_state</c>. Rows may hold more than the view, and be of a newer version.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    AllowOutOfOrderMetadataProperties = true,
    Converters = [
        typeof(NulSafeString),
        typeof(LenientEnum<SessionStatus>), typeof(LenientEnum<TaskState>), typeof(LenientEnum<RunStatus>),
        typeof(LenientEnum<PermissionStatus>), typeof(LenientEnum<RunnerStatus>), typeof(LenientEnum<PolicyEffect>),
        typeof(LenientEnum<ScheduleStatus>), typeof(LenientEnum<OccurrenceStatus>)])]
[JsonSerializable(typeof(SessionView))]
[JsonSerializable(typeof(CheckpointView))]
[JsonSerializable(typeof(TaskView))]
[JsonSerializable(typeof(PermissionView))]
[JsonSerializable(typeof(RunnerView))]
[JsonSerializable(typeof(ScheduleView))]
[JsonSerializable(typeof(AgentConfigView))]
[JsonSerializable(typeof(ProfileView))]
[JsonSerializable(typeof(AgentDefaultView))]
internal sealed partial class StateJsonContext : JsonSerializerContext;

/// <summary>snake_case enum values; one that this version does not know is the enum's zero.</summary>
internal sealed class LenientEnum<T> : JsonConverter<T> where T : struct, Enum
{
    public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String) return EnumText<T>.Parse(reader.GetString());
        reader.Skip();
        return default;
    }

    public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) => writer.WriteStringValue(EnumText<T>.Of(value));
}

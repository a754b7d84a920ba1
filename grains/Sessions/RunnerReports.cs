using System.Text.Json;
using Marionette.Tasks;

namespace Marionette.Sessions;

// What a runner reports and the session turns into its own facts: the "control" table of docs/reference/events.md.

internal sealed record RunStartedReport(string? ConversationId, string? AgentVersion);

internal sealed record RunFinishedReport(
    string? Outcome, string? Result, RunError? Error, ExitInfo? Exit, UsageData? Usage, decimal? CostUsd, long? DurationMs, int? Turns,
    string? ConversationId);

internal sealed record PermissionReport(string? RequestId, string? Tool, JsonElement? Input, string? Description, JsonElement? Context);

internal sealed record PermissionNotice(string? RequestId, string? Reason);

internal sealed record RunnerStoppedReport(string? Reason, string? ConversationId);

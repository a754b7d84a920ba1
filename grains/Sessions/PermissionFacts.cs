using System.Text.Json;
using System.Text.Json.Serialization;

namespace Marionette.Sessions;

// Facts about permission requests; stored formats, see Facts.cs.

internal sealed record PermissionRequested(
    string PermissionId, string RequestId, string Tool, JsonElement Input, string Action, string? Description, string RiskLevel,
    string? Context, DateTimeOffset ExpiresAt) : Fact;

/// <summary>The type of the event follows <paramref name="Allow"/>.</summary>
internal sealed record PermissionDecided(
    [property: JsonIgnore] bool Allow, string PermissionId, string By, string? Reason, JsonElement? UpdatedInput, bool Interrupt, string CommandId) : Fact;

internal sealed record PermissionExpired(string PermissionId, string Reason) : Fact;

internal sealed record PermissionCanceled(string PermissionId, string Reason) : Fact;

internal sealed record PermissionDelivered(string PermissionId) : Fact;

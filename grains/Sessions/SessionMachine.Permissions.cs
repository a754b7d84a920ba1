using System.Text.Json;
using Marionette.Permissions;
using Marionette.Runners;

namespace Marionette.Sessions;

/// <content>What an agent asks, and what it is answered.</content>
internal static partial class SessionMachine
{
    /// <param name="row">The request's row, when it is not among the live ones.</param>
    public static Decision Decide(SessionState state, PermissionView? row, DecidePermission c, DecisionContext context)
    {
        MustExist(state);
        var live = state.Permissions.FirstOrDefault(p => p.View.Id == c.PermissionId);
        if ((live?.View ?? row) is not { } view) throw new MarionetteException(FaultCode.NotFound, "No such permission request.");
        if (view.DecidedByCommand == c.CommandId && view.Status == (c.Allow ? PermissionStatus.Approved : PermissionStatus.Denied))
            return new(state);
        if (view.Status != PermissionStatus.Pending || live is null)
            throw new MarionetteException(FaultCode.AlreadyDecided, AnswerOf(view));

        var scribe = new Scribe(state, context);
        scribe.Write(
            new PermissionDecided(c.Allow, view.Id, c.By, c.Reason, ParseInput(c.UpdatedInput), c.Interrupt, c.CommandId), view.TaskId, view.RunId);
        return scribe.Decide();
    }

    private static void Asked(Scribe scribe, string? runId, PermissionReport report, long source)
    {
        if (report.RequestId is null || report.Tool is null) throw new JsonException("request_id and tool are required.");
        if (scribe.State.Current is not { } task || task.RunId != runId) return;
        var input = report.Input ?? default;
        var action = input.ValueKind == JsonValueKind.Undefined ? "{}" : input.GetRawText();
        scribe.Write(
            new PermissionRequested(
                scribe.NewId(EntityId.Permission), report.RequestId, report.Tool, input.ValueKind == JsonValueKind.Undefined ? EmptyObject : input, action,
                report.Description, RiskOf(report.Tool), TextOf(report.Context),
                scribe.Now + TimeSpan.FromSeconds(scribe.State.PermissionTimeoutSeconds)),
            task.View.Id, runId, source);
    }

    private static void Noticed(Scribe scribe, OutputEvent e, PermissionNotice notice, long source)
    {
        // What was not answered cannot have been received.
        var received = e.Type == "permission.received";
        var live = scribe.State.Permissions.FirstOrDefault(
            p => p.View.OriginalRequestId == notice.RequestId && p.View.RunId == e.RunId && (!received || p.DecisionSeq > 0));
        if (live is null) return;
        Fact fact = received
            ? new PermissionDelivered(live.View.Id)
            : new PermissionCanceled(live.View.Id, notice.Reason ?? "The agent asks no more.");
        scribe.Write(fact, live.View.TaskId, live.View.RunId, source);
    }

    /// <summary>Deadlines of requests that have come.</summary>
    private static void TickRequests(Scribe scribe)
    {
        foreach (var permission in scribe.State.Permissions)
            if (permission.DecisionSeq == 0 && permission.View.ExpiresAt <= scribe.Now)
                scribe.Write(new PermissionExpired(permission.View.Id, "Nobody answered in time."), permission.View.TaskId, permission.View.RunId);
    }

    private static DateTimeOffset? RequestDeadline(SessionState state)
    {
        DateTimeOffset? next = null;
        foreach (var permission in state.Permissions)
            if (permission.DecisionSeq == 0 && !(permission.View.ExpiresAt >= next)) next = permission.View.ExpiresAt;
        return next;
    }

    private static void CloseRequests(Scribe scribe, string? runId, string reason)
    {
        foreach (var permission in scribe.State.Permissions)
            if (runId is null || permission.View.RunId == runId)
                scribe.Write(new PermissionCanceled(permission.View.Id, reason), permission.View.TaskId, permission.View.RunId);
    }

    private static string AnswerOf(PermissionView view) => view.Status switch
    {
        PermissionStatus.Approved or PermissionStatus.Denied =>
            $"{(view.Status == PermissionStatus.Approved ? "Approved" : "Denied")} by {view.RespondedBy} at {view.RespondedAt:O}.",
        PermissionStatus.Expired => $"It expired at {view.RespondedAt:O} and counts as denied.",
        _ => $"It was canceled at {view.RespondedAt:O}: {view.ResponseReason}",
    };

    /// <summary>By the tool's name alone; rules that look at the input are policies.</summary>
    private static string RiskOf(string tool) => tool switch
    {
        "Read" or "Grep" or "Glob" or "LS" or "TodoWrite" => "low",
        "Bash" or "KillShell" => "high",
        "WebFetch" or "WebSearch" or "Write" or "Edit" or "MultiEdit" or "NotebookEdit" => "medium",
        _ when tool.StartsWith("mcp__", StringComparison.Ordinal) => "high",
        _ => "medium",
    };

    /// <summary>Text as it is; anything else as the JSON that it came as.</summary>
    private static string? TextOf(JsonElement? value) =>
        value is not { ValueKind: not (JsonValueKind.Null or JsonValueKind.Undefined) } some ? null
        : some.ValueKind == JsonValueKind.String ? some.GetString() : some.GetRawText();

    private static JsonElement? ParseInput(byte[]? json)
    {
        if (json is null) return null;
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }

    private static readonly JsonElement EmptyObject = JsonDocument.Parse("{}").RootElement.Clone();
}

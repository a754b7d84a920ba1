using System.Text.Json;
using Marionette.Agent.Agents.Permissions;
using Marionette.Agent.Agents.Rpc;
using Marionette.Agent.Events;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents.Codex;

/// <content>What Codex asks.</content>
internal sealed partial class CodexDriver
{
    public override void OnRequest(RpcPeer peer, string id, string method, JsonElement parameters)
    {
        if (Turn is null)
        {
            _ = RefuseWithoutRunAsync(peer, id, method);
            return;
        }

        var item = parameters.Text("approvalId"u8) ?? parameters.Text("itemId"u8) ?? "request";
        switch (method)
        {
            case "item/commandExecution/requestApproval":
                AskOrDecide(peer, id, item, CodexAsk.Command(parameters, Services.Config.WorkspaceDir), method);
                break;
            case "item/fileChange/requestApproval":
                AskOrDecide(peer, id, item, CodexAsk.FileChange(parameters, items.ChangesOf(parameters.Text("itemId"u8) ?? "")), method);
                break;
            case "item/permissions/requestApproval":
                Ask(peer, id, $"{item}.{id}", CodexAsk.Permissions(parameters), new Detail(method, parameters.Clone()));
                break;
            case "mcpServer/elicitation/request":
                Ask(peer, id, $"elicitation.{id}", CodexAsk.Elicitation(parameters), new Detail(method, parameters.Clone()));
                break;
            case "item/tool/requestUserInput":
                Ask(peer, id, $"{item}.{id}", CodexAsk.Question(parameters), new Detail(method, parameters.Clone()));
                break;
            default:
                _ = peer.RefuseAsync(id, RpcException.MethodNotFound, $"Marionette does not offer {method}.");
                break;
        }
    }

    protected override Task<bool> ReplyAsync(OpenAsk ask, AnswerPermission answer)
    {
        var detail = (Detail)ask.Detail!;
        if (!answer.Allow && answer.Reason.Length > 0)
            Sink.System(ask.Run, LogSeverity.Info, $"Denied: {answer.Reason} (Codex takes no reason along.)");
        if (detail.Method == "item/tool/requestUserInput" && answer is { Allow: false, Interrupt: true } && Turn is { Process: { } running } current)
            _ = InterruptQuietlyAsync(running, current);
        return ask.Peer.AnswerAsync(ask.Id, json => CodexReply.Write(json, detail.Method, detail.Parameters, answer));
    }

    private static Task<bool> RefuseWithoutRunAsync(RpcPeer peer, string id, string method) => method.EndsWith("requestApproval", StringComparison.Ordinal)
        ? peer.AnswerAsync(id, json => json.WriteString("decision"u8, "cancel"u8))
        : peer.RefuseAsync(id, RpcException.InternalError, "No task is under way.");

    // The mode may have changed since the turn began, and Codex knows neither "edits only" nor "plan only".
    private void AskOrDecide(RpcPeer peer, string id, string item, PermissionAsk ask, string method)
    {
        var decision = Mode switch
        {
            CodexMode.Bypass => "accept",
            CodexMode.Plan => "decline",
            CodexMode.AcceptEdits when ask.Category is PermissionCategory.Edit && ask.Paths.All(IsInWorkspace) => "accept",
            _ => null,
        };
        if (decision is not null)
            _ = peer.AnswerAsync(id, json => json.WriteString("decision"u8, decision));
        else
            Ask(peer, id, $"{item}.{id}", ask, new Detail(method, default));
    }

    private bool IsInWorkspace(string path) => Path.GetFullPath(path, Services.Config.WorkspaceDir)
        .StartsWith(Path.TrimEndingDirectorySeparator(Services.Config.WorkspaceDir) + "/", StringComparison.Ordinal);

    private async Task InterruptQuietlyAsync(RpcProcess running, RpcTurn current)
    {
        try
        {
            await InterruptAsync(running, current).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is RpcException or IOException)
        {
            // The turn is over already.
        }
    }

    private sealed record Detail(string Method, JsonElement Parameters);
}

using System.Text.Json;
using Marionette.Agent.Agents.Permissions;
using Marionette.Agent.Agents.Rpc;
using Marionette.Agent.Events;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents.Acp;

/// <content>What the agent tells and asks.</content>
internal sealed partial class AcpDriver
{
    private const string Bypass = "bypassPermissions";
    private const string AcceptEdits = "acceptEdits";
    private const string Plan = "plan";

    public override void OnNotification(RpcPeer peer, string method, JsonElement parameters)
    {
        if (method != "session/update")
            return;
        var update = parameters.Member("update"u8);
        if (update.Text("sessionUpdate"u8) == "current_mode_update")
            session.ModeIs(update.Text("currentModeId"u8));
        if (!loading && Turn is { } current && ReferenceEquals(current.Process?.Peer, peer))
            updates.Take(current, update);
    }

    public override void OnRequest(RpcPeer peer, string id, string method, JsonElement parameters)
    {
        switch (method)
        {
            case "session/request_permission":
                Asked(peer, id, parameters);
                break;
            case "fs/read_text_file":
                Answer(peer, id, () =>
                {
                    var text = files.Read(parameters.Text("path"u8) ?? "", parameters.Number("line"u8), parameters.Number("limit"u8));
                    return json => json.WriteString("content"u8, text);
                });
                break;
            case "fs/write_text_file":
                Answer(peer, id, () =>
                {
                    if (Mode == Plan)
                        throw new IOException("Only a plan is asked for: nothing may be written.");
                    files.Write(parameters.Text("path"u8) ?? "", parameters.Text("content"u8) ?? "");
                    return static _ => { };
                });
                break;
            case var other when other.StartsWith("terminal/", StringComparison.Ordinal):
                _ = terminals.HandleAsync(peer, id, other, parameters.Clone());
                break;
            default:
                _ = peer.RefuseAsync(id, RpcException.MethodNotFound, $"Marionette does not offer {method}.");
                break;
        }
    }

    protected override async Task<bool> ReplyAsync(OpenAsk ask, AnswerPermission answer)
    {
        if (!answer.Allow && answer.Reason.Length > 0)
            Sink.System(ask.Run, LogSeverity.Info, $"Denied: {answer.Reason} (The Agent Client Protocol takes no reason along.)");
        var sent = await SelectAsync(ask.Peer, ask.Id, (JsonElement)ask.Detail!, answer.Allow).ConfigureAwait(false);
        if (sent && answer is { Allow: false, Interrupt: true } && Turn is { Process: { } running } current && ReferenceEquals(running.Peer, ask.Peer))
            await InterruptAsync(running, current).ConfigureAwait(false);
        return sent;
    }

    private static Task<bool> SelectAsync(RpcPeer peer, string id, JsonElement offered, bool allow) =>
        AcpAsk.Choose(offered, allow) is { } option
            ? peer.AnswerAsync(id, json => AcpAsk.WriteSelected(json, option))
            : peer.AnswerAsync(id, AcpAsk.WriteCancelled); // it offers no way to say this

    private static void Answer(RpcPeer peer, string id, Func<Action<Utf8JsonWriter>> act)
    {
        try
        {
            _ = peer.AnswerAsync(id, act());
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            _ = peer.RefuseAsync(id, RpcException.InvalidParams, exception.Message);
        }
    }

    private void Asked(RpcPeer peer, string id, JsonElement parameters)
    {
        var offered = parameters.Member("options"u8) is { ValueKind: JsonValueKind.Array } list ? list.Clone() : default;
        if (Turn is not { } current)
        {
            _ = peer.AnswerAsync(id, AcpAsk.WriteCancelled);
            return;
        }

        updates.EndMessage(current);
        var call = updates.Find(parameters.Member("toolCall"u8));
        updates.Tell(current, call);
        var ask = AcpAsk.Of(call);
        if (Decide(ask) is { } allow)
            _ = SelectAsync(peer, id, offered, allow);
        else
            Ask(peer, id, $"{call.Id}.{id.Trim('"')}", ask, offered);
    }

    // A mode that the agent does not have itself is kept here.
    private bool? Decide(PermissionAsk ask) => Mode switch
    {
        Bypass => true,
        AcceptEdits when ask.Category == PermissionCategory.Edit && ask.Paths.Count > 0 && ask.Paths.All(IsInWorkspace) => true,
        Plan when !session.HasMode(Plan) => ask.Category == PermissionCategory.Read ? null : false,
        _ => null,
    };

    private bool IsInWorkspace(string path) => Path.GetFullPath(path, Services.Config.WorkspaceDir)
        .StartsWith(Path.TrimEndingDirectorySeparator(Services.Config.WorkspaceDir) + "/", StringComparison.Ordinal);
}

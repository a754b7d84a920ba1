using System.Text.Json;
using Marionette.Agent.Agents.Permissions;
using Marionette.Agent.Agents.Rpc;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Codex;

/// <summary>Makes events of Codex's items. An item begins, says pieces of itself, and comes whole when it is done.</summary>
internal sealed class CodexItems(AgentEvents events)
{
    // What an edit would change stands in the item alone, not in the question about it.
    private readonly Dictionary<string, Change[]> changes = new(StringComparer.Ordinal);

    public void Reset()
    {
        lock (changes)
            changes.Clear();
    }

    /// <summary>The files that an edit touches, and how; none when nothing is known of it.</summary>
    public IReadOnlyList<Change> ChangesOf(string item)
    {
        lock (changes)
            return changes.GetValueOrDefault(item) ?? [];
    }

    /// <param name="parent">The call that began the sub-agent whose item it is; null for the thread of the run.</param>
    public void Take(RpcTurn turn, string method, JsonElement parameters, string? parent = null)
    {
        var item = parameters.Member("item"u8);
        var id = parameters.Text("itemId"u8) ?? "";
        var delta = parameters.Text("delta"u8) ?? "";
        switch (method)
        {
            case "item/agentMessage/delta" or "item/plan/delta":
                events.Text(turn.Id, id, 0, delta, delta: true, thinking: false);
                break;
            case "item/reasoning/summaryTextDelta":
                events.Text(turn.Id, id, parameters.Number("summaryIndex"u8), delta, delta: true, thinking: true);
                break;
            case "item/reasoning/textDelta":
                events.Text(turn.Id, id, parameters.Number("contentIndex"u8), delta, delta: true, thinking: true);
                break;
            case "item/commandExecution/outputDelta" or "item/fileChange/outputDelta":
                events.ToolOutput(turn.Id, id, delta);
                break;
            case "item/fileChange/patchUpdated":
                Keep(id, parameters.Member("changes"u8));
                break;
            case "item/started":
                Began(turn, item, item.Text("id"u8) ?? "", parent);
                break;
            case "item/completed":
                Ended(turn, item, item.Text("id"u8) ?? "", parent);
                break;
        }
    }

    /// <summary>The turn is over: a call that was cut off has no result of its own.</summary>
    public void TurnEnded(RpcTurn turn) => Reset();

    private void Began(RpcTurn turn, JsonElement item, string id, string? parent)
    {
        var type = item.Text("type"u8);
        if (type is "contextCompaction")
            events.Phase(turn.Id, "compacting");
        if (CodexTool.NameOf(type, item) is not { } name || !turn.Began(id))
            return;
        if (type == "fileChange")
            Keep(id, item.Member("changes"u8));
        var copy = item.Clone();
        events.ToolUse(turn.Id, id, name, json => CodexTool.WriteInput(json, type, copy), CodexTool.StepOf(type, item), parent);
    }

    private void Ended(RpcTurn turn, JsonElement item, string id, string? parent)
    {
        switch (item.Text("type"u8))
        {
            case "agentMessage" or "plan":
                var text = item.Text("text"u8) ?? "";
                if (parent is null)
                    turn.LastText = text;
                events.Text(turn.Id, id, 0, text, delta: false, thinking: false, parent);
                break;
            case "reasoning":
                var index = 0;
                foreach (var part in item.Member("summary"u8).Items().Concat(item.Member("content"u8).Items()))
                {
                    if (part.ValueKind == JsonValueKind.String)
                        events.Text(turn.Id, id, index++, part.GetString()!, delta: false, thinking: true, parent);
                }

                break;
            case var type when CodexTool.NameOf(type, item) is not null:
                if (!turn.Ended(id))
                {
                    Began(turn, item, id, parent); // some come whole, without a beginning
                    turn.Ended(id);
                }

                var (content, isError) = CodexTool.ResultOf(type, item);
                events.ToolResult(turn.Id, id, content, isError, parent);
                break;
        }
    }

    private void Keep(string id, JsonElement list)
    {
        var read = list.Items().Select(Change.Read).ToArray();
        lock (changes)
            changes[id] = read;
    }

    /// <summary>One file of an edit.</summary>
    /// <param name="Kind"><c>add</c>, <c>update</c> or <c>delete</c>.</param>
    internal sealed record Change(string Path, string Kind, string Diff)
    {
        public static Change Read(JsonElement change)
        {
            var path = change.Text("path"u8) ?? "";
            var kind = change.Member("kind"u8);
            var name = kind.ValueKind == JsonValueKind.String ? kind.GetString()! : kind.Text("type"u8) ?? "update";
            var diff = change.Text("diff"u8) ?? "";
            return new Change(path, name, name switch
            {
                "add" => UnifiedDiff.Added(path, diff),
                "delete" => UnifiedDiff.Deleted(path, diff),
                _ => UnifiedDiff.Of(path, diff, kind.Text("move_path"u8)),
            });
        }
    }
}

using System.Text.Json;
using Marionette.Agent.Agents.Rpc;
using Marionette.Agent.Broker;
using Marionette.Agent.Events;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents.Codex;

/// <summary>Drives Codex over <c>codex app-server</c>: its threads are our conversations, its turns our runs, its items our events.</summary>
internal sealed partial class CodexDriver : RpcDriver
{
    private readonly CodexItems items;
    private readonly McpStartup mcp = new();
    private string? model;

    public CodexDriver(AgentServices services)
        : base(services) => items = new CodexItems(Events);

    protected override string Name => "Codex";

    protected override string DefaultUpstream => CodexLaunch.DefaultUpstream;

    private string Mode => Services.Setup.Current.PermissionMode;

    protected override RpcLaunch Prepare(Setup setup, CredentialBroker? broker) => CodexLaunch.Create(Services, setup, broker);

    protected override async Task InitializeAsync(RpcProcess running, Setup setup)
    {
        var answer = await running.Peer.CallAsync("initialize", json =>
        {
            json.WriteStartObject("clientInfo"u8);
            json.WriteString("name"u8, "marionette"u8);
            json.WriteString("title"u8, "Marionette"u8);
            json.WriteString("version"u8, Marionette.Agent.Hosting.AgentVersion.Text);
            json.WriteEndObject();
            json.WriteStartObject("capabilities"u8);
            json.WriteEndObject();
        }).ConfigureAwait(false);
        AgentVersion = VersionIn(answer.Text("userAgent"u8)) ?? AgentVersion;
        await running.Peer.TellAsync("initialized").ConfigureAwait(false);
    }

    protected override async Task<string?> OpenAsync(RpcProcess running, RpcTurn current, string? wanted)
    {
        mcp.Begin();
        JsonElement answer;
        try
        {
            answer = await running.Peer.CallAsync(wanted is null ? "thread/start" : "thread/resume", json =>
            {
                json.Optional("threadId"u8, wanted);
                if (wanted is not null)
                    json.WriteBoolean("excludeTurns"u8, true);
                json.WriteString("cwd"u8, Services.Config.WorkspaceDir);
                json.WriteString("approvalPolicy"u8, CodexMode.ApprovalPolicy(Mode));
                json.WriteString("sandbox"u8, CodexMode.Sandbox);
                json.Optional("model"u8, Services.Setup.Current.Model);
                CodexLaunch.WriteThreadConfig(json, Services.Setup.Current, Broker);
            }).ConfigureAwait(false);
        }
        catch (RpcException exception) when (wanted is not null)
        {
            Sink.System(current.Id, LogSeverity.Warn, $"Codex cannot resume the conversation: {exception.Message}");
            return null;
        }

        model = answer.Text("model"u8) ?? model;
        var opened = answer.Member("thread"u8).Text("id"u8);
        Events.Ready(current.Id, model, AgentVersion, opened);
        Sink.Commit();
        if (opened is not null)
            await ServersAreUpAsync(current, opened).ConfigureAwait(false);
        return opened;
    }

    protected override async Task PromptAsync(RpcProcess running, RpcTurn current, bool knowsPart)
    {
        items.Reset();
        var answer = await running.Peer.CallAsync("turn/start", json =>
        {
            json.WriteString("threadId"u8, running.Conversation);
            json.WriteString("approvalPolicy"u8, CodexMode.ApprovalPolicy(Mode));
            json.Optional("model"u8, Services.Setup.Current.Model);
            json.WriteStartArray("input"u8);
            WriteText(json, current.Run.Prompt);
            CodexInput.WriteAttachments(json, current.Run.Attachments, Services.Config.WorkspaceDir, current.Run.Run);
            if (Mode == CodexMode.Plan)
                WriteText(json, CodexMode.PlanNote);
            if (knowsPart)
                WriteText(json, Continuation.Note);
            json.WriteEndArray();
            if (current.Run.OutputSchema.IsEmpty)
                return;
            json.WritePropertyName("outputSchema"u8);
            json.WriteRawValue(current.Run.OutputSchema.Span);
        }).ConfigureAwait(false);
        await BeganAsync(running.Peer, current, answer.Member("turn"u8).Text("id"u8)).ConfigureAwait(false);
    }

    protected override Task InterruptAsync(RpcProcess running, RpcTurn current)
    {
        mcp.GiveUp();
        return current.AgentTurn is { } id
            ? running.Peer.CallAsync("turn/interrupt", json =>
            {
                json.WriteString("threadId"u8, running.Conversation);
                json.WriteString("turnId"u8, id);
            })
            : Task.CompletedTask; // asked again as soon as the turn has begun
    }

    protected override async Task<string?> SendAsync(RpcProcess running, RpcTurn current, SendMessage message)
    {
        if (current.AgentTurn is not { } id)
            return "Codex has not begun with the task yet.";
        await running.Peer.CallAsync("turn/steer", json =>
        {
            json.WriteString("threadId"u8, running.Conversation);
            json.WriteString("expectedTurnId"u8, id);
            json.WriteStartArray("input"u8);
            WriteText(json, message.Text);
            CodexInput.WriteAttachments(json, message.Attachments, Services.Config.WorkspaceDir, message.Message);
            json.WriteEndArray();
        }).ConfigureAwait(false);
        return null;
    }

    // Model and approval policy go along with every turn. Within one, Codex goes on with the policy it began with; what it asks
    // is decided by today's mode (CodexDriver.Asks).
    protected override Task<string?> ConfigureAsync(RpcProcess? running, Configure change) => Task.FromResult<string?>(null);

    protected override void OnProcessEnded() => mcp.GiveUp();

    protected override RunResult Explain(RpcException exception) =>
        RunResult.Failed(ErrorCodes.AgentProtocol, $"Codex refused {exception.Method}: {exception.Message}");

    internal static void WriteText(Utf8JsonWriter json, string text)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "text"u8);
        json.WriteString("text"u8, text);
        json.WriteStartArray("text_elements"u8);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    // Codex begins a turn with the tools that are there. Servers of a config.toml in the home are waited for when they are known to start.
    private async Task ServersAreUpAsync(RpcTurn current, string thread)
    {
        var servers = CodexLaunch.ServersOf(Services.Setup.Current);
        await mcp.WaitAsync(thread, servers.Keys, CodexMcp.PatienceWith(servers), Services.Clock).ConfigureAwait(false);
        foreach (var note in mcp.ShortcomingsOf(thread, servers.Keys))
            Sink.System(current.Id, LogSeverity.Warn, note);
    }

    // The answer to turn/start and the notification both name the turn; either may be the first.
    private async Task BeganAsync(RpcPeer peer, RpcTurn current, string? id)
    {
        if (id is null || current.AgentTurn is not null)
            return;
        current.AgentTurn = id;
        if (current.InterruptWanted && current.Process is { } running && ReferenceEquals(running.Peer, peer))
            await InterruptAsync(running, current).ConfigureAwait(false);
    }

    // "marionette/0.169.0 (Debian …)": our name, Codex's version.
    private static string? VersionIn(string? userAgent) => userAgent?.Split(' ')[0].Split('/') is [_, var version] ? version : null;
}

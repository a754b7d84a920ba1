using System.Text.Json;
using Marionette.Agent.Agents.Rpc;
using Marionette.Agent.Broker;
using Marionette.Agent.Events;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents.Acp;

/// <summary>
/// Drives any agent that speaks the Agent Client Protocol over its standard input and output. The protocol leaves much to the
/// agent: what one does not offer is refused in words, and a capability that was not offered to it is not taken for one that it will not use.
/// </summary>
internal sealed partial class AcpDriver : RpcDriver
{
    private const int ProtocolVersion = 1;

    private readonly AcpTerminals terminals;
    private readonly AcpFiles files;
    private readonly AcpUpdates updates;
    private AcpOptions? options;
    private AcpSession session = new();
    private AcpAbilities abilities = new();
    private bool loading;
    private double cost;

    public AcpDriver(AgentServices services)
        : base(services)
    {
        terminals = new AcpTerminals(services);
        files = new AcpFiles(services.Config.WorkspaceDir, services.Config.HomeDir);
        updates = new AcpUpdates(Events, terminals.OutputOf);
    }

    protected override string Name => options?.Agent?.Name ?? "The ACP agent";

    protected override string DefaultUpstream => AcpAgents.UpstreamOf(AcpOptions.Read(Services.Setup.Current).Api);

    private string Mode => Services.Setup.Current.PermissionMode;

    public override void Kill()
    {
        terminals.KillAll();
        base.Kill();
    }

    protected override RpcLaunch Prepare(Setup setup, CredentialBroker? broker)
    {
        options = AcpOptions.Read(setup);
        return AcpLaunch.Create(Services, setup, options, broker);
    }

    protected override void OnProcessEnded() => terminals.KillAll();

    protected override async Task InitializeAsync(RpcProcess running, Setup setup)
    {
        session = new AcpSession();
        var answer = await running.Peer.CallAsync("initialize", static json =>
        {
            json.WriteNumber("protocolVersion"u8, ProtocolVersion);
            json.WriteStartObject("clientCapabilities"u8);
            json.WriteStartObject("fs"u8);
            json.WriteBoolean("readTextFile"u8, true);
            json.WriteBoolean("writeTextFile"u8, true);
            json.WriteEndObject();
            json.WriteBoolean("terminal"u8, true);
            json.WriteEndObject();
            json.WriteStartObject("clientInfo"u8);
            json.WriteString("name"u8, "marionette"u8);
            json.WriteString("title"u8, "Marionette"u8);
            json.WriteString("version"u8, Marionette.Agent.Hosting.AgentVersion.Text);
            json.WriteEndObject();
        }).ConfigureAwait(false);
        var version = answer.Number("protocolVersion"u8);
        if (version != ProtocolVersion)
            throw new AgentStartException(ErrorCodes.AgentProtocol, $"{Name} speaks version {version} of the protocol; Marionette speaks {ProtocolVersion}.");
        AgentVersion = answer.Member("agentInfo"u8).Text("version"u8) ?? AgentVersion;
        abilities = AcpAbilities.Read(answer);
    }

    protected override async Task<string?> OpenAsync(RpcProcess running, RpcTurn current, string? wanted)
    {
        if (wanted is not null && abilities is { Load: false, Resume: false })
        {
            Sink.System(current.Id, LogSeverity.Warn, $"{Name} cannot load an earlier conversation.");
            return null;
        }

        var method = wanted is null ? "session/new" : abilities.Resume ? "session/resume" : "session/load";
        try
        {
            loading = wanted is not null; // it may tell the whole conversation again
            var answer = await running.Peer.CallAsync(method, json =>
            {
                json.Optional("sessionId"u8, wanted);
                json.WriteString("cwd"u8, Services.Config.WorkspaceDir);
                json.WritePropertyName("mcpServers"u8);
                json.WriteRawValue(options!.McpServers);
            }).ConfigureAwait(false);
            session = AcpSession.Read(wanted ?? answer.Text("sessionId"u8) ?? "", answer);
        }
        catch (RpcException exception) when (wanted is not null)
        {
            Sink.System(current.Id, LogSeverity.Warn, $"{Name} cannot load the conversation: {exception.Message}");
            return null;
        }
        finally
        {
            loading = false;
        }

        cost = 0;
        if (session.Id.Length == 0)
            throw new AgentStartException(ErrorCodes.AgentProtocol, $"{Name} opened a session without an id.");
        Events.Ready(current.Id, session.Model, AgentVersion, session.Id);
        return session.Id;
    }

    protected override async Task PromptAsync(RpcProcess running, RpcTurn current, bool knowsPart)
    {
        updates.Reset();
        foreach (var refusal in await ApplyAsync(running, Services.Setup.Current.Model, Mode).ConfigureAwait(false))
            Sink.System(current.Id, LogSeverity.Warn, refusal);
        var blocks = AcpPrompt.Of(current.Run, knowsPart, abilities, Services.Config.WorkspaceDir);
        var asking = running.Peer.CallAsync("session/prompt", json =>
        {
            json.WriteString("sessionId"u8, session.Id);
            json.WriteStartArray("prompt"u8);
            foreach (var block in blocks)
                block(json);
            json.WriteEndArray();
        });
        Events.Phase(current.Id, "requesting");
        current.AgentTurn = session.Id;
        if (current.InterruptWanted)
            await InterruptAsync(running, current).ConfigureAwait(false);
        Completed(current, await asking.ConfigureAwait(false));
    }

    protected override async Task InterruptAsync(RpcProcess running, RpcTurn current)
    {
        if (current.AgentTurn is not { } id)
            return; // asked as soon as the prompt is out
        // The protocol wants every open question answered so.
        foreach (var ask in TakeAll("the run is being interrupted"))
            await ask.Peer.AnswerAsync(ask.Id, AcpAsk.WriteCancelled).ConfigureAwait(false);
        await running.Peer.TellAsync("session/cancel", json => json.WriteString("sessionId"u8, id)).ConfigureAwait(false);
    }

    protected override Task<string?> SendAsync(RpcProcess running, RpcTurn current, SendMessage message) =>
        Task.FromResult<string?>("The Agent Client Protocol takes no message into a running turn.");

    protected override async Task<string?> ConfigureAsync(RpcProcess? running, Configure change)
    {
        if (running?.Conversation is null)
            return null; // whoever starts next reads the setup
        var refusals = await ApplyAsync(running, change.Model, change.PermissionMode).ConfigureAwait(false);
        return refusals.Count > 0 ? string.Join(' ', refusals) : null;
    }

    protected override RunResult Explain(RpcException exception) =>
        RunResult.Failed(AcpErrors.CodeOf(exception), exception.Method == "session/prompt" ? exception.Message : $"{Name} refused {exception.Method}: {exception.Message}");

    // Modes and models have many names. What an agent does not offer we keep to ourselves as far as its questions allow.
    private async Task<IReadOnlyList<string>> ApplyAsync(RpcProcess running, string model, string mode)
    {
        var refusals = new List<string>();
        if (session.Choose(model, mode, out var missing) is { Count: > 0 } calls)
        {
            foreach (var call in calls)
            {
                await running.Peer.CallAsync(call.Method, json =>
                {
                    json.WriteString("sessionId"u8, session.Id);
                    foreach (var (name, value) in call.Parameters)
                        json.WriteString(name, value);
                }).ConfigureAwait(false);
                call.Done();
            }
        }

        if (missing is not null && !(options is { Agent: not null } && running.Turns == 0))
            refusals.Add(missing);
        return refusals;
    }

    // The agent tells the session's sum, if anything.
    private double? CostOfTurn()
    {
        if (updates.Cost is not { } sum)
            return null;
        var turn = Math.Max(0, sum - cost);
        cost = sum;
        return turn;
    }

    private void Completed(RpcTurn current, JsonElement answer)
    {
        updates.EndMessage(current);
        var usage = answer.Member("usage"u8);
        if (usage.ValueKind == JsonValueKind.Object)
        {
            var tokens = new TokenUsage(
                usage.Number("inputTokens"u8), usage.Number("outputTokens"u8), usage.Number("cachedReadTokens"u8), usage.Number("cachedWriteTokens"u8));
            current.Used(tokens);
            Events.Usage(current.Id, tokens, session.Model);
        }

        Complete(current, answer.Text("stopReason"u8) switch
        {
            "cancelled" => new RunResult { Outcome = Outcomes.Interrupted },
            "refusal" => RunResult.Failed(ErrorCodes.ModelError, "The model refused to go on."),
            "max_turn_requests" => RunResult.Failed(ErrorCodes.MaxTurns, $"{Name} made as many requests as it may in one turn."),
            _ => new RunResult { Outcome = Outcomes.Completed, Result = current.LastText ?? "" },
        } with { Cost = CostOfTurn() });
    }
}

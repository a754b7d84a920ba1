using System.Collections.Immutable;

namespace Marionette.Runners;

/// <summary>State of a runner.</summary>
public enum RunnerStatus
{
    /// <summary>Unknown to this version.</summary>
    Unknown = 0,
    /// <summary>Recorded; the provider is asked for it.</summary>
    Provisioning = 1,
    /// <summary>The provider says that it runs; its agent has not called yet.</summary>
    Started = 2,
    /// <summary>Its agent has called.</summary>
    Online = 3,
    /// <summary>Its stream is away; the lease runs.</summary>
    Offline = 4,
    /// <summary>Given back. Final.</summary>
    Released = 5,
    /// <summary>Gone without our doing. Final.</summary>
    Lost = 6,
    /// <summary>Its processes stand still, memory kept.</summary>
    Paused = 7,
}

/// <summary>What a session wants to run in.</summary>
[GenerateSerializer, Immutable, Alias("mn.runner.request.v1")]
public sealed record RunnerRequest(
    [property: Id(0)] string SessionId,
    [property: Id(1)] long Epoch,
    [property: Id(2)] string Provider,
    [property: Id(3)] string WorkspaceId)
{
    /// <summary>Size and make.</summary>
    [Id(4)] public RunnerShape Shape { get => field ?? new(); init; } = new();

    /// <summary>What it may reach.</summary>
    [Id(5)] public NetworkRules Network { get => field ?? NetworkRules.Open; init; } = NetworkRules.Open;
}

/// <summary>A runner for lists, and the JSON of its state row.</summary>
[GenerateSerializer, Immutable, Alias("mn.runner.view.v1")]
public record RunnerView
{
    /// <summary>"run_…".</summary>
    [Id(0)] public required string Id { get; init; }
    /// <summary>For people.</summary>
    [Id(1)] public string Name { get; init; } = "";
    /// <summary>Host name that its agent reported.</summary>
    [Id(2)] public string Hostname { get; init; } = "";
    /// <summary>State.</summary>
    [Id(3)] public RunnerStatus Status { get; init; }
    /// <summary>Why.</summary>
    [Id(4)] public string Reason { get; init; } = "";
    /// <summary>Provider's name.</summary>
    [Id(5)] public string Provider { get; init; } = "";
    /// <summary>Session that has it.</summary>
    [Id(6)] public string? SessionId { get; init; }
    /// <summary>Epoch of the session.</summary>
    [Id(7)] public long Epoch { get; init; }
    /// <summary>Version of marionette-agent.</summary>
    [Id(8)] public string? AgentVersion { get; init; }
    /// <summary>Isolation that the provider gives: "none" for the process provider.</summary>
    [Id(9)] public string SandboxMode { get; init; } = "none";
    /// <summary>Last message.</summary>
    [Id(10)] public DateTimeOffset? LastSeenAt { get; init; }
    /// <summary>When it was recorded.</summary>
    [Id(11)] public DateTimeOffset CreatedAt { get; init; }
    /// <summary>When its state last changed.</summary>
    [Id(12)] public DateTimeOffset UpdatedAt { get; init; }
    /// <summary>How long each phase of its start took, in milliseconds ("provision", "connect").</summary>
    [Id(13)] public ImmutableDictionary<string, long> StartPhasesMs { get; init; } = ImmutableDictionary<string, long>.Empty;
    /// <summary>Size and make.</summary>
    [Id(14)] public RunnerShape Shape { get => field ?? new(); init; } = new();
    /// <summary>What it may reach.</summary>
    [Id(15)] public NetworkRules Network { get => field ?? NetworkRules.Open; init; } = NetworkRules.Open;
}

/// <summary>What an agent proves when it calls.</summary>
/// <param name="Token">Single-use runner token.</param>
/// <param name="Secret">The agent's own secret; the first hello binds the token to it.</param>
[GenerateSerializer, Immutable, Alias("mn.runner.hello.v1")]
public sealed record RunnerHello(
    [property: Id(0)] long Epoch,
    [property: Id(1)] string Token,
    [property: Id(2)] byte[] Secret,
    [property: Id(3)] string AgentVersion,
    [property: Id(4)] string Hostname,
    [property: Id(5)] int Pid)
{
    /// <summary>Never the proofs.</summary>
    public override string ToString() => $"RunnerHello(epoch {Epoch}, {Hostname})";
}

/// <summary>The answer: which session to attach to.</summary>
[GenerateSerializer, Immutable, Alias("mn.runner.admission.v1")]
public sealed record RunnerAdmission([property: Id(0)] string SessionKey, [property: Id(1)] long Epoch);

/// <summary>A stream that has come up.</summary>
/// <param name="LastCommand">Highest command number that this agent process has; 0 after its restart.</param>
/// <param name="LastEvent">Newest event in its spool.</param>
[GenerateSerializer, Immutable, Alias("mn.runner.attach.v1")]
public sealed record AttachRunner(
    [property: Id(0)] string RunnerId,
    [property: Id(1)] long Epoch,
    [property: Id(2)] string ConnectionId,
    [property: Id(3)] long LastCommand,
    [property: Id(4)] long LastEvent);

/// <summary>What a gateway needs to serve the stream. Holds the opened secrets: never log it, never store it.</summary>
[GenerateSerializer, Immutable, Alias("mn.runner.attachment.v1")]
public sealed record RunnerAttachment
{
    /// <summary>Every event up to here is durable.</summary>
    [Id(0)] public long Acked { get; init; }
    /// <summary>Session id.</summary>
    [Id(1)] public required string SessionId { get; init; }
    /// <summary>Agent kind.</summary>
    [Id(2)] public required string Agent { get; init; }
    /// <summary>Model or null.</summary>
    [Id(3)] public string? Model { get; init; }
    /// <summary>Model API or null.</summary>
    [Id(4)] public string? BaseUrl { get; init; }
    /// <summary>Model key or null.</summary>
    [Id(5)] public string? ApiKey { get; init; }
    /// <summary>Environment of the agent.</summary>
    [Id(6)] public ImmutableDictionary<string, string> Env { get; init; } = ImmutableDictionary<string, string>.Empty;
    /// <summary>Permission mode.</summary>
    [Id(7)] public string PermissionMode { get; init; } = "default";
    /// <summary>Conversation to resume, or null.</summary>
    [Id(8)] public string? ConversationId { get; init; }
    /// <summary>Emit raw lines.</summary>
    [Id(9)] public bool IncludeRaw { get; init; }
    /// <summary>argv of the program that the "command" and "acp" agents start.</summary>
    [Id(10)] public ImmutableArray<string> Command { get; init; } = [];
    /// <summary>Commands that wait for this agent.</summary>
    [Id(11)] public ImmutableArray<RunnerCommand> Commands { get; init; } = [];

    /// <summary>What the agent kind takes beside that: a JSON object in UTF-8, or null.</summary>
    [Id(12)] public byte[]? Options { get; init; }

    /// <summary>Shell script before the first run of the runner, or null.</summary>
    [Id(13)] public string? InitScript { get; init; }

    /// <summary>What its folders begin with.</summary>
    [Id(14)] public WorkspaceStart Workspace { get => field ?? WorkspaceStart.Empty; init; } = WorkspaceStart.Empty;

    /// <summary>Repository that a workspace without files is cloned from, or null.</summary>
    [Id(15)] public Sessions.GitOrigin? Git { get; init; }

    /// <summary>Secret of its credential, or null.</summary>
    [Id(16)] public string? GitSecret { get; init; }

    /// <summary>Never the secrets.</summary>
    public override string ToString() => $"RunnerAttachment({SessionId}, acked {Acked})";
}

/// <summary>Events of a runner, numbered from <paramref name="First"/> without a gap.</summary>
[GenerateSerializer, Immutable, Alias("mn.runner.output.v1")]
public sealed record RunnerOutput(
    [property: Id(0)] long Epoch,
    [property: Id(1)] long First,
    [property: Id(2)] ImmutableArray<OutputEvent> Events);

/// <summary>One event as the runner said it.</summary>
[GenerateSerializer, Immutable, Alias("mn.runner.output-event.v1")]
public sealed record OutputEvent(
    [property: Id(0)] string Type,
    [property: Id(1)] string? RunId,
    [property: Id(2)] long AtMs,
    [property: Id(3)] byte[] Payload);

/// <summary>What an agent is to do. Number: seq of the log event that caused it.</summary>
[GenerateSerializer, Immutable, Alias("mn.runner.command.v1")]
public abstract record RunnerCommand([property: Id(0)] long Number);

/// <summary>Run a prompt.</summary>
[GenerateSerializer, Immutable, Alias("mn.runner.command.start-run.v1")]
public sealed record StartRunCommand(
    long Number,
    [property: Id(0)] string TaskId,
    [property: Id(1)] string RunId,
    [property: Id(2)] int Attempt,
    [property: Id(3)] string Prompt,
    [property: Id(4)] bool Continuation,
    [property: Id(5)] ImmutableArray<TaskFile> Files = default,
    [property: Id(6)] byte[]? OutputSchema = null,
    [property: Id(7)] string? Conversation = null) : RunnerCommand(Number);

/// <summary>A file or an image that goes with a prompt or a message.</summary>
/// <param name="Name">File name without a folder.</param>
/// <param name="MediaType">"image/png"; empty = unknown.</param>
[GenerateSerializer, Immutable, Alias("mn.task.file.v1")]
public sealed record TaskFile([property: Id(0)] string Name, [property: Id(1)] string MediaType, [property: Id(2)] byte[] Content);

/// <summary>Give the run under way more to work with.</summary>
[GenerateSerializer, Immutable, Alias("mn.runner.command.send-message.v1")]
public sealed record SendMessageCommand(
    long Number,
    [property: Id(0)] string RunId,
    [property: Id(1)] string MessageId,
    [property: Id(2)] string Text,
    [property: Id(3)] ImmutableArray<TaskFile> Files) : RunnerCommand(Number);

/// <summary>Another model or permission mode; both values are whole.</summary>
[GenerateSerializer, Immutable, Alias("mn.runner.command.configure.v1")]
public sealed record ConfigureCommand(long Number, [property: Id(0)] string? Model, [property: Id(1)] string PermissionMode) : RunnerCommand(Number);

/// <summary>Tell the agent what was decided.</summary>
[GenerateSerializer, Immutable, Alias("mn.runner.command.answer.v1")]
public sealed record AnswerPermissionCommand(
    long Number,
    [property: Id(0)] string RequestId,
    [property: Id(1)] bool Allow,
    [property: Id(2)] string Reason,
    [property: Id(3)] byte[]? UpdatedInput,
    [property: Id(4)] bool Interrupt) : RunnerCommand(Number);

/// <summary>End a run with this outcome.</summary>
[GenerateSerializer, Immutable, Alias("mn.runner.command.interrupt.v1")]
public sealed record InterruptCommand(long Number, [property: Id(0)] string RunId, [property: Id(1)] string Outcome) : RunnerCommand(Number);

/// <summary>Finish and exit.</summary>
[GenerateSerializer, Immutable, Alias("mn.runner.command.stop.v1")]
public sealed record StopCommand(long Number, [property: Id(0)] string Reason) : RunnerCommand(Number);

/// <summary>Interrupt what runs, store a checkpoint, and say "runner.settled": the runner is about to be paused.</summary>
[GenerateSerializer, Immutable, Alias("mn.runner.command.pause.v1")]
public sealed record PauseCommand(long Number, [property: Id(0)] string Reason) : RunnerCommand(Number);

/// <summary>What a runner's folders begin with: what its predecessor left there if that is this runner's, otherwise the checkpoint.</summary>
/// <param name="Workspace">Snapshot of the workspace, "snap_…"; null = no checkpoint yet.</param>
/// <param name="Home">Snapshot of the agent's home; null = no checkpoint yet.</param>
/// <param name="LastEpoch">Epoch of the newest runner that wrote in the workspace; 0 = none.</param>
[GenerateSerializer, Immutable, Alias("mn.runner.workspace_start.v1")]
public sealed record WorkspaceStart(
    [property: Id(0)] string? Workspace,
    [property: Id(1)] string? Home,
    [property: Id(2)] long LastEpoch)
{
    /// <summary>The agent's conversation at the checkpoint, or null.</summary>
    [Id(3)] public string? Conversation { get; init; }

    /// <summary>A session that has never run.</summary>
    public static WorkspaceStart Empty { get; } = new(null, null, 0);
}

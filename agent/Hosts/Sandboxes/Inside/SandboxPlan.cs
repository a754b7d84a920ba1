using System.Text.Json.Serialization;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>
/// What the first process of a sandbox is told on its standard input, in one line. It may carry a token: it is never written to a file.
/// </summary>
internal sealed record SandboxPlan
{
    /// <summary>"bwrap" or "runsc".</summary>
    public string Kind { get; set; } = "";

    /// <summary>Name of the sandbox on this machine; also its host name.</summary>
    public string Name { get; set; } = "";

    /// <summary>Path of bwrap or runsc.</summary>
    public string Program { get; set; } = "";

    /// <summary>The runner's own user on this machine. The next one is that of the sandbox itself, where it has one.</summary>
    public int User { get; set; }

    /// <summary>Folder of the runner's files.</summary>
    public string Folder { get; set; } = "";

    /// <summary>Image of the runner's disk, or a folder where it has no limit.</summary>
    public string Disk { get; set; } = "";

    /// <summary>Image of the workspace, or a folder where it has no limit.</summary>
    public string Workspace { get; set; } = "";

    /// <summary>The workspace's files are another user's yet.</summary>
    public bool TakeWorkspace { get; set; }

    /// <summary>Folder of the agent's program.</summary>
    public string Binaries { get; set; } = "";

    /// <summary>Folders with programs of agents.</summary>
    public IReadOnlyList<string> Tools { get; set; } = [];

    /// <summary>Folders of control groups that everything in the sandbox belongs to.</summary>
    public IReadOnlyList<string> Cgroups { get; set; } = [];

    /// <summary>What runs in it.</summary>
    public IReadOnlyList<string> Arguments { get; set; } = [];

    /// <summary>What that reads on its standard input.</summary>
    public string Input { get; set; } = "";

    /// <summary>Where runsc keeps what it knows.</summary>
    public string RunscRoot { get; set; } = "";

    /// <summary>A folder that this machine has and that hides nothing which is needed: the view is mounted over it, for the sandbox alone.</summary>
    public string View { get; set; } = "";
}

/// <summary>How a sandbox ended, as its first process wrote it into the runner's folder.</summary>
internal sealed record SandboxEnd
{
    public const string FileName = "end.json";

    /// <summary>Exit code; a signal shows as 128 + its number.</summary>
    public int Code { get; set; }

    /// <summary>Bytes left on the runner's disk and in the workspace, the lesser of both.</summary>
    public long FreeBytes { get; set; }

    /// <summary>The last that it wrote.</summary>
    public string Said { get; set; } = "";
}

/// <summary>The JSON of sandboxes: compiled, no reflection.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(SandboxPlan))]
[JsonSerializable(typeof(SandboxEnd))]
[JsonSerializable(typeof(RunnerRecord))]
[JsonSerializable(typeof(ProcessMark))]
[JsonSerializable(typeof(SandboxFindings))]
[JsonSerializable(typeof(NetdAsk))]
[JsonSerializable(typeof(NetdSays))]
internal sealed partial class SandboxJsonContext : JsonSerializerContext;

namespace Marionette.Providers.Processes;

/// <summary>Where the process provider finds and puts things.</summary>
public sealed class ProcessProviderOptions
{
    /// <summary>Folder of this installation; runners and workspaces get a folder each below it.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>Path of the marionette-agent binary.</summary>
    public required string AgentBinary { get; init; }

    /// <summary>Address of the runners' gRPC. Read at each start of an agent: it may change with a restart of the server.</summary>
    public required Func<string> ServerUrl { get; init; }

    /// <summary>File that agents read again at each reconnect for a changed address; null = the address is fixed.</summary>
    public string? EndpointsFile { get; init; }

    /// <summary>Folders put in front of the agents' PATH (where claude is).</summary>
    public IReadOnlyList<string> ToolsPath { get; init; } = [];

    /// <summary>How long an agent has to end by itself before it is killed. Default 10 s.</summary>
    public TimeSpan StopGrace { get; init; } = TimeSpan.FromSeconds(10);
}

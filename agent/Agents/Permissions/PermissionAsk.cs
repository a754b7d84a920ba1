namespace Marionette.Agent.Agents.Permissions;

/// <summary>
/// What an agent asks to be allowed, in the words of <c>permission.request</c>: the same for every agent, so that people and policies
/// need not know whose tool it is.
/// </summary>
internal sealed record PermissionAsk
{
    /// <summary>Tool's name as the agent says it.</summary>
    public required string Tool { get; init; }

    /// <summary>The tool's input: one JSON object.</summary>
    public required byte[] Input { get; init; }

    /// <summary>One of <see cref="PermissionCategory"/>.</summary>
    public required string Category { get; init; }

    /// <summary>The question in a few words, where the agent has them.</summary>
    public string? Title { get; init; }

    /// <summary>The shell command that it would run.</summary>
    public string? Command { get; init; }

    /// <summary>Files and folders that it would touch, absolute where that is known.</summary>
    public IReadOnlyList<string> Paths { get; init; } = [];

    /// <summary>Hosts that it would talk to.</summary>
    public IReadOnlyList<string> Hosts { get; init; } = [];

    /// <summary>For an edit: the change as a unified diff.</summary>
    public string? Diff { get; init; }

    /// <summary>What it is for, in the agent's words.</summary>
    public string? Description { get; init; }

    /// <summary>Why the agent asks rather than acts.</summary>
    public string? Reason { get; init; }

    /// <summary>Whether an answer may carry another input.</summary>
    public bool TakesInput { get; init; }

    /// <summary>Whatever else the agent says about it; null values are left out.</summary>
    public IReadOnlyList<KeyValuePair<string, string?>> Context { get; init; } = [];
}

/// <summary>What kind of act is asked for. Policies match on it.</summary>
internal static class PermissionCategory
{
    public const string Command = "command";
    public const string Read = "read";
    public const string Edit = "edit";
    public const string Delete = "delete";
    public const string Network = "network";
    public const string Mcp = "mcp";

    /// <summary>A plan to be agreed to before work begins.</summary>
    public const string Plan = "plan";

    /// <summary>A question to a person; the answer is the changed input.</summary>
    public const string Question = "question";

    public const string Other = "other";
}

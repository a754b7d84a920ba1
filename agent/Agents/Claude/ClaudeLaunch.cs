using Marionette.Agent.Broker;
using Marionette.Agent.Hosting;
using Marionette.Agent.Processes;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents.Claude;

/// <summary>
/// What shapes a Claude process, so that a changed setup is seen: a process started with another environment or other options is
/// replaced before the next run. Model and mode can be changed in a running one.
/// </summary>
internal sealed record ClaudeLaunch
{
    /// <summary>The mode in which Claude asks before it acts.</summary>
    public const string DefaultMode = "default";

    private const string Bypass = "bypassPermissions";
    private const string Name = "claude";

    private static readonly string[] ProtocolArguments =
    [
        "-p", "--output-format", "stream-json", "--input-format", "stream-json", "--verbose", "--include-partial-messages",
        "--permission-prompt-tool", "stdio", "--forward-subagent-text",
    ];

    /// <summary>Conversation that the process works in.</summary>
    public required string Conversation { get; init; }

    /// <summary>Whether the conversation existed before.</summary>
    public required bool Resumed { get; init; }

    /// <summary>Identity of everything that a running process cannot change.</summary>
    public required string Shape { get; init; }

    public required string Model { get; init; }

    /// <summary>Claude's own name of the permission mode.</summary>
    public required string Mode { get; init; }

    public required ClaudeOptions Options { get; init; }

    /// <summary>The mode that a setup names, as Claude calls it.</summary>
    public static string ModeOf(Setup setup) => setup.PermissionMode is "" or "manual" ? DefaultMode : setup.PermissionMode;

    /// <summary>The shape that a process of today's setup has.</summary>
    public static string ShapeOf(Setup setup) => string.Join(
        '\u001f',
        [
            setup.ApiKey.Length > 0 ? "broker" : setup.BaseUrl, setup.Options.ToStringUtf8(),
            .. setup.Env.OrderBy(pair => pair.Key, StringComparer.Ordinal).SelectMany(pair => new[] { pair.Key, pair.Value }),
        ]);

    /// <summary>Finds the binary.</summary>
    /// <exception cref="AgentStartException">agent_not_found.</exception>
    public static string FindBinary(AgentConfig config, IReadOnlyDictionary<string, string> own)
    {
        var path = ChildEnvironment.SearchPath(config, own);
        var wanted = string.IsNullOrEmpty(config.ClaudePath) ? Name : config.ClaudePath;
        if (ChildEnvironment.Find(wanted, path) is { } found)
            return found;
        var place = wanted == Name ? $"an executable named \"{Name}\" in PATH ({path})" : wanted;
        throw new AgentStartException(
            ErrorCodes.AgentNotFound,
            $"Claude Code is not installed: looked for {place}. Install it with: npm install -g @anthropic-ai/claude-code");
    }

    /// <summary>Everything that the system needs to start it.</summary>
    public ChildSpec ToSpec(
        string binary, AgentConfig config, Setup setup, IReadOnlyDictionary<string, string> own, CredentialBroker? broker)
    {
        var environment = ChildEnvironment.Create(config, own, setup.Env);
        environment["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] = "1";
        environment["DISABLE_AUTOUPDATER"] = "1";
        environment["CLAUDE_CODE_ENTRYPOINT"] = "marionette";
        if (broker is not null)
        {
            // The placeholder goes through a descriptor: Claude hands its environment on to every command that it runs.
            environment.Remove("ANTHROPIC_API_KEY");
            environment.Remove("ANTHROPIC_AUTH_TOKEN");
            environment["ANTHROPIC_BASE_URL"] = broker.BaseUrl;
            environment["CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR"] = "3";
        }
        else if (setup.BaseUrl.Length > 0)
        {
            environment["ANTHROPIC_BASE_URL"] = setup.BaseUrl;
        }

        List<string> arguments = [.. ProtocolArguments, Resumed ? "--resume" : "--session-id", Conversation];
        if (Model.Length > 0)
            arguments.AddRange(["--model", Model]);
        if (Mode != DefaultMode)
            arguments.AddRange(["--permission-mode", Mode]);
        if (Mode == Bypass)
        {
            arguments.Add("--allow-dangerously-skip-permissions");
            // Claude refuses this mode to root unless the place is a sandbox, which a runner is.
            if (Environment.UserName == "root")
                environment["IS_SANDBOX"] = "1";
        }

        Options.AddTo(arguments, config.StateDir);
        return new ChildSpec
        {
            File = binary,
            Arguments = arguments,
            Environment = environment,
            WorkingDirectory = config.WorkspaceDir,
            Descriptor3 = broker is null ? null : System.Text.Encoding.UTF8.GetBytes(broker.Token),
        };
    }
}

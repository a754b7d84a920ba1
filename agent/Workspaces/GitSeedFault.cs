namespace Marionette.Agent.Workspaces;

/// <summary>Why a workspace could not be cloned.</summary>
internal enum GitSeedFault
{
    /// <summary>git failed in a way that is not known here; its own words are in the message.</summary>
    Failed = 0,

    /// <summary>The options cannot be; nothing was tried.</summary>
    Invalid,

    /// <summary>There are files in the workspace.</summary>
    NotEmpty,

    /// <summary>No git program, or no ssh for an address that needs one.</summary>
    GitMissing,

    /// <summary>The server wants a credential, or another one.</summary>
    Auth,

    /// <summary>No such repository, as far as this credential may see.</summary>
    NotFound,

    /// <summary>No such branch, tag or commit.</summary>
    RefMissing,

    /// <summary>The server cannot be reached, or is not who it should be.</summary>
    Unreachable,

    /// <summary>The disk is full.</summary>
    NoSpace,

    /// <summary>It took longer than the limit.</summary>
    TimedOut,

    /// <summary>It is larger than the limit.</summary>
    TooLarge,
}

/// <summary>A workspace was not cloned, and is empty. The message says what to do and holds no secret.</summary>
internal sealed class GitSeedException(GitSeedFault fault, string message, Exception? inner = null) : Exception(message, inner)
{
    private const int MostQuoted = 600;

    // What git, curl and ssh print in the C locale. The first that fits holds.
    private static readonly (string Text, GitSeedFault Fault)[] Signs =
    [
        ("cannot run ssh", GitSeedFault.GitMissing), ("ssh: not found", GitSeedFault.GitMissing), ("ssh: command not found", GitSeedFault.GitMissing),
        ("No space left on device", GitSeedFault.NoSpace), ("Disk quota exceeded", GitSeedFault.NoSpace),
        ("couldn't find remote ref", GitSeedFault.RefMissing), ("not our ref", GitSeedFault.RefMissing), ("unadvertised object", GitSeedFault.RefMissing),
        ("Host key verification failed", GitSeedFault.Unreachable), ("certificate", GitSeedFault.Unreachable),
        ("Authentication failed", GitSeedFault.Auth), ("could not read Username", GitSeedFault.Auth), ("could not read Password", GitSeedFault.Auth),
        ("Permission denied (", GitSeedFault.Auth),
        ("returned error: 401", GitSeedFault.Auth), ("returned error: 403", GitSeedFault.Auth),
        ("returned error: 404", GitSeedFault.NotFound), ("' not found", GitSeedFault.NotFound),
        ("does not appear to be a git repository", GitSeedFault.NotFound), ("Repository not found", GitSeedFault.NotFound),
        ("not valid: is this a git repository?", GitSeedFault.NotFound), ("does not exist", GitSeedFault.NotFound),
        ("Could not resolve host", GitSeedFault.Unreachable), ("Could not resolve hostname", GitSeedFault.Unreachable),
        ("Connection refused", GitSeedFault.Unreachable),
        ("Failed to connect", GitSeedFault.Unreachable), ("Couldn't connect", GitSeedFault.Unreachable), ("timed out", GitSeedFault.Unreachable),
        ("returned error: 5", GitSeedFault.Unreachable),
        ("early EOF", GitSeedFault.Unreachable), ("hung up unexpectedly", GitSeedFault.Unreachable), ("transport '", GitSeedFault.Invalid),
    ];

    public GitSeedFault Fault => fault;

    /// <param name="errors">What git printed, without secrets.</param>
    public static GitSeedException Of(string errors, GitSeedOptions options)
    {
        var found = Signs.FirstOrDefault(sign => errors.Contains(sign.Text, StringComparison.OrdinalIgnoreCase));
        var kind = found.Text is null ? GitSeedFault.Failed : found.Fault;
        var quoted = errors.Length > MostQuoted ? "…" + errors[^MostQuoted..] : errors;
        return new GitSeedException(kind, $"{Advice(kind, options)} git says: {quoted.Trim()}");
    }

    public static GitSeedException RefMissing(GitSeedOptions options) => new(GitSeedFault.RefMissing, Advice(GitSeedFault.RefMissing, options));

    private static string Advice(GitSeedFault fault, GitSeedOptions options) => fault switch
    {
        GitSeedFault.NoSpace => "The runner's disk is full: give it more, or clone less (depth, filter).",
        GitSeedFault.RefMissing when options.Ref.Length == 0 => $"{options.Url} has no commit to begin with: push one, or name a ref.",
        GitSeedFault.RefMissing => $"{options.Url} has no branch, tag or full commit '{options.Ref}': check ref.",
        GitSeedFault.GitMissing => $"{options.Url} needs ssh, and there is none on this runner: put it into the runner's image, or use an https address.",
        GitSeedFault.Auth when options.Protocol == "ssh" =>
            $"{options.Url} takes none of the keys that the runner's image has: give its user one (~/.ssh) that may read it, or use an https address with a credential.",
        GitSeedFault.Auth when options.Credential is null => $"{options.Url} wants a credential, or does not exist: set one that may read it.",
        GitSeedFault.Auth => $"{options.Url} refused the credential of {options.Credential.User}: renew it, or give it the right to read this repository.",
        GitSeedFault.NotFound => $"{options.Url} is no repository, or not one that this credential may see: check url.",
        GitSeedFault.Unreachable when options.Protocol == "ssh" =>
            $"The server of {options.Url} cannot be reached, or its key is not one that the runner's image knows: check url, the network policy and known_hosts.",
        GitSeedFault.Unreachable => $"The server of {options.Url} cannot be reached, or is not trusted: check url, the network policy and the certificates.",
        GitSeedFault.Invalid => $"{options.Url} leads to a protocol that is not allowed here; allowed: {string.Join(", ", options.Protocols)}.",
        _ => $"{options.Url} could not be cloned.",
    };
}

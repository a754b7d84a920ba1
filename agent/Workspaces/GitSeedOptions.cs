using System.Text.RegularExpressions;

namespace Marionette.Agent.Workspaces;

/// <summary>What a fresh workspace is cloned from.</summary>
internal sealed partial record GitSeedOptions
{
    private const int MostText = 2000, MostSecret = 2000;

    /// <summary>https, ssh (also <c>user@host:path</c>), or what else <see cref="Protocols"/> has. Without a credential in it: it stays in the
    /// workspace.</summary>
    public required string Url { get; init; }

    /// <summary>A branch, a tag or a full commit; a branch wins over a tag of its name. Empty: what the server has as its HEAD.</summary>
    public string Ref { get; init; } = "";

    /// <summary>
    /// Commits of history; 0: all. Default 1: everything that is there is there whole, and needs no credential later. <c>git fetch --unshallow</c>
    /// gets the rest.
    /// </summary>
    public int Depth { get; init; } = 1;

    /// <summary>
    /// <c>blob:none</c>, <c>tree:&lt;n&gt;</c> or <c>blob:limit=&lt;size&gt;</c>: git fetches the rest when it is needed, for which the agent then
    /// needs access. Empty: none. Null, the default: <c>blob:none</c> with all
    /// of the history, and none with a part of it, where it would only be a second fetch.
    /// </summary>
    public string? Filter { get; init; }

    /// <summary>Also clone submodules, by the same protocols; with the credential those of the same host. Default: no.</summary>
    public bool Submodules { get; init; }

    /// <summary>Protocols that git may use, redirects and submodules included: https, ssh, http, git, file. Default: https and ssh.</summary>
    public IReadOnlyList<string> Protocols { get; init; } = ["https", "ssh"];

    /// <summary>For https and http. Null: the repository is public, or ssh has its own.</summary>
    public GitCredential? Credential { get; init; }

    /// <summary>1 s to a day. Default 30 minutes.</summary>
    public TimeSpan TimeLimit { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>Bytes on disk, history and files together; looked at once a second. Default 20 GiB.</summary>
    public long MaxBytes { get; init; } = 20L << 30;

    /// <summary>The URL's protocol; null: it has none that git's URLs have.</summary>
    public string? Protocol => Url.IndexOf("://", StringComparison.Ordinal) is var end and > 0 ? Url[..end].ToLowerInvariant() : ScpPattern().IsMatch(Url)
        ? "ssh" : null;

    /// <summary>The filter that is used; empty: none.</summary>
    public string UsedFilter => Filter ?? (Depth == 0 ? "blob:none" : "");

    public bool IsCommit => CommitPattern().IsMatch(Ref);

    /// <summary>Everything that is wrong, one line each.</summary>
    public IEnumerable<string> Problems()
    {
        if (Url.Length > MostText || Url.Any(one => char.IsControl(one) || one == ' ') || Protocol is null)
            yield return "url must be a URL of a git repository, such as https://host/owner/name.git";
        else if (!Protocols.Contains(Protocol, StringComparer.Ordinal))
            yield return $"url: the protocol {Protocol} is not allowed here; allowed: {string.Join(", ", Protocols)}";
        if (Protocols.Except(["https", "ssh", "http", "git", "file"], StringComparer.Ordinal).FirstOrDefault() is { } other)
            yield return $"protocols: {other} is none of https, ssh, http, git, file";
        if (Protocol is "https" or "http" && (!Uri.TryCreate(Url, UriKind.Absolute, out var uri) || uri.UserInfo.Length > 0))
            yield return "url must have no user and password in it; set the credential instead";
        if (Ref.Length > 0 && (Ref.Length > MostText || !RefPattern().IsMatch(Ref) || Ref.Contains("..", StringComparison.Ordinal)
            || Ref.EndsWith(".lock", StringComparison.Ordinal)))
            yield return "ref must be the name of a branch or tag, or a full commit of 40 or 64 digits";
        if (Depth < 0)
            yield return "depth must be 0 (all) or more";
        if (!FilterPattern().IsMatch(UsedFilter))
            yield return "filter must be blob:none, blob:limit=<size> or tree:<depth>";
        if (TimeLimit < TimeSpan.FromSeconds(1) || TimeLimit > TimeSpan.FromDays(1))
            yield return "the time limit must be 1 second to 1 day";
        if (MaxBytes < 1)
            yield return "the limit of bytes must be 1 or more";
        if (Credential is null)
            yield break;
        if (Protocol is not ("https" or "http"))
            yield return "a credential is for https URLs; ssh takes the keys that the runner's image has";
        if (!UserPattern().IsMatch(Credential.User))
            yield return "the credential's user must be 1 to 200 of: letters, digits, and . _ + - @";
        if (Credential.Secret.Length is 0 or > MostSecret || Credential.Secret.Any(one => one is < '!' or > '~'))
            yield return $"the credential's secret must be 1 to {MostSecret} printable ASCII characters without blanks";
    }

    [GeneratedRegex(@"\A[A-Za-z0-9_][A-Za-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[^:/\\][^:\\]*\z")]
    private static partial Regex ScpPattern();

    [GeneratedRegex(@"\A([0-9a-f]{40}|[0-9a-f]{64})\z")]
    private static partial Regex CommitPattern();

    [GeneratedRegex(@"\A[^-/.\x00-\x20~^:?*\[\\\x7f][^\x00-\x20~^:?*\[\\\x7f]*(?<![/.])\z")]
    private static partial Regex RefPattern();

    [GeneratedRegex(@"\A(|blob:none|blob:limit=[0-9]{1,12}[kmg]?|tree:[0-9]{1,4})\z")]
    private static partial Regex FilterPattern();

    [GeneratedRegex(@"\A[A-Za-z0-9._+@-]{1,200}\z")]
    private static partial Regex UserPattern();
}

/// <summary>How a server is told who asks.</summary>
/// <param name="User">Servers that take a token mostly ignore it: <c>x-access-token</c> does for GitHub, <c>oauth2</c> for GitLab.</param>
/// <param name="Secret">Password or token.</param>
internal sealed record GitCredential(string User, string Secret)
{
    /// <summary>Without the secret.</summary>
    public override string ToString() => $"credential of {User}";
}

/// <summary>How far a clone is.</summary>
/// <param name="Step">What git says that it does: "Receiving objects", "Updating files".</param>
/// <param name="Percent">0 to 100; null: it does not know.</param>
/// <param name="Detail">git's line.</param>
internal sealed record GitSeedProgress(string Step, int? Percent, string Detail);

/// <summary>What was cloned.</summary>
/// <param name="Commit">What is checked out.</param>
/// <param name="Ref">Its branch or tag, such as <c>refs/heads/main</c>; empty: a commit alone.</param>
/// <param name="Bytes">On disk.</param>
internal sealed record GitSeedReport(string Commit, string Ref, long Bytes, TimeSpan Took)
{
    /// <summary>What came of the mirror; null: none was asked for.</summary>
    public MirrorReport? Mirror { get; init; }
}

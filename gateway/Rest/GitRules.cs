using System.Text.RegularExpressions;
using Marionette.Gateway.Rest.Models;
using Marionette.Sessions;

namespace Marionette.Gateway.Rest;

/// <summary>Which repositories may be named. The agent checks the same again before it calls git.</summary>
internal static partial class GitRules
{
    private const int MostText = 2000, MostDepth = 1_000_000;

    private const string DefaultUser = "x-access-token";

    /// <summary>The repository; every wrong field is collected.</summary>
    public static GitOrigin Check(FieldErrors errors, GitModel git)
    {
        var url = git.Url ?? "";
        var isWeb = url.StartsWith("https://", StringComparison.OrdinalIgnoreCase) || url.StartsWith("http://", StringComparison.OrdinalIgnoreCase);
        if (url.Length is 0 or > MostText || url.Any(c => c <= ' ' || char.IsControl(c)) || !(isWeb || url.StartsWith("ssh://", StringComparison.OrdinalIgnoreCase) || ScpPattern().IsMatch(url)))
            errors.Add("from.git.url", "must be an https, ssh or http address of a repository");
        else if (isWeb && (!Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.UserInfo.Length > 0))
            errors.Add("from.git.url", "must not hold a user or a password: from.git.secret takes it");
        else if (!isWeb && url.Contains("://", StringComparison.Ordinal) && (!Uri.TryCreate(url, UriKind.Absolute, out var ssh) || ssh.UserInfo.Contains(':')))
            errors.Add("from.git.url", "must not hold a password: everybody who sees the session sees its address");
        if (git.Ref is { } name && (name.Length > MostText || !RefPattern().IsMatch(name) || name.Contains("..", StringComparison.Ordinal) || name.EndsWith(".lock", StringComparison.Ordinal)))
            errors.Add("from.git.ref", "must be the name of a branch or tag, or a full commit");
        if (git.Filter is { } filter && !FilterPattern().IsMatch(filter)) errors.Add("from.git.filter", "must be blob:none, blob:limit=SIZE or tree:N");
        if (git.User is { } user && !UserPattern().IsMatch(user)) errors.Add("from.git.user", "must have 1 to 200 of: letters, digits, . _ + - @");
        if (git.User is not null && git.Secret is null) errors.Add("from.git.secret", "goes with from.git.user");
        if (git.Secret is { } secret)
        {
            if (!isWeb) errors.Add("from.git.secret", "is for https and http addresses; ssh takes the keys that the runner's image has");
            else if (secret.Length is 0 or > MostText || secret.Any(c => c is <= ' ' or > '~')) errors.Add("from.git.secret", $"must have 1 to {MostText} printable ASCII characters without blanks");
        }

        return new GitOrigin(
            url, git.Ref, errors.Number("from.git.depth", git.Depth, 0, MostDepth, 1), git.Filter, git.Submodules ?? false, git.Secret is null ? null : git.User ?? DefaultUser);
    }

    [GeneratedRegex(@"\A[A-Za-z0-9_][A-Za-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[^:/\\][^:\\]*\z")]
    private static partial Regex ScpPattern();

    [GeneratedRegex(@"\A[^-/.\x00-\x20~^:?*\[\\\x7f][^\x00-\x20~^:?*\[\\\x7f]*(?<![/.])\z")]
    private static partial Regex RefPattern();

    [GeneratedRegex(@"\A(blob:none|blob:limit=[0-9]{1,12}[kmg]?|tree:[0-9]{1,4})\z")]
    private static partial Regex FilterPattern();

    [GeneratedRegex(@"\A[A-Za-z0-9._+@-]{1,200}\z")]
    private static partial Regex UserPattern();
}

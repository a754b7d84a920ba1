namespace Marionette.Agent.Workspaces;

/// <summary>The commands of one clone. <c>git clone</c> itself takes no commit, and cannot tell which of branch and tag is missing.</summary>
internal sealed class GitClone(GitCommand git, GitSeedOptions options, string tree, IProgress<GitSeedProgress>? progress)
{
    private const string Heads = "refs/heads/", Tags = "refs/tags/", AllHeads = "+refs/heads/*:refs/remotes/origin/*";

    /// <param name="mirror">What may be there already; null: nothing.</param>
    /// <returns>The commit, and the full name of its branch or tag; empty: none.</returns>
    public async Task<(string Commit, string Name)> RunAsync(GitMirror? mirror, CancellationToken cancellationToken)
    {
        await GitAsync(cancellationToken, "init", "-q", "--template=").ConfigureAwait(false);
        await GitAsync(cancellationToken, "remote", "add", "origin", options.Url).ConfigureAwait(false);
        var (name, commit) = options.IsCommit ? ("", options.Ref) : await FindAsync(cancellationToken).ConfigureAwait(false);
        // From here on the server has taken this session's credential for this repository. Before, a mirror is not asked for.
        if (mirror is not null)
            await mirror.LoadAsync(git, cancellationToken).ConfigureAwait(false);
        var branch = name.StartsWith(Heads, StringComparison.Ordinal) ? name[Heads.Length..] : null;
        if (options.Depth > 0 && branch is not null)
            await GitAsync(cancellationToken, "remote", "set-branches", "origin", branch).ConfigureAwait(false);
        await FetchAsync(name, commit, branch, cancellationToken).ConfigureAwait(false);
        if (branch is not null)
            await GitAsync(cancellationToken, "checkout", "--progress", "-B", branch, "--track", $"refs/remotes/origin/{branch}").ConfigureAwait(false);
        else
            await GitAsync(cancellationToken, "checkout", "--progress", "--detach", name.Length > 0 ? "FETCH_HEAD" : commit).ConfigureAwait(false);
        if (mirror is not null)
            await mirror.UnloadAsync(git, cancellationToken).ConfigureAwait(false);
        if (options.Submodules)
        {
            string[] depth = options.Depth > 0 ? [$"--depth={options.Depth}"] : [];
            await GitAsync(cancellationToken, ["submodule", "update", "--init", "--recursive", "--progress", .. depth]).ConfigureAwait(false);
        }

        return ((await GitAsync(cancellationToken, "rev-parse", "HEAD").ConfigureAwait(false)).Trim(), name);
    }

    private async Task FetchAsync(string name, string commit, string? branch, CancellationToken cancellationToken)
    {
        var fetch = new List<string> { "fetch", "--progress", "--no-recurse-submodules" };
        if (options.UsedFilter.Length > 0)
            fetch.Add("--filter=" + options.UsedFilter);
        if (options.Depth > 0)
        {
            var wanted = branch is not null ? $"+{name}:refs/remotes/origin/{branch}"
                : name.StartsWith(Tags, StringComparison.Ordinal) ? $"+{name}:{name}"
                : name.Length > 0 ? name : commit;
            await GitAsync(cancellationToken, [.. fetch, $"--depth={options.Depth}", "--no-tags", "origin", wanted]).ConfigureAwait(false);
            return;
        }

        await GitAsync(cancellationToken, [.. fetch, "--tags", "origin", AllHeads]).ConfigureAwait(false);
        // What no branch or tag leads to has to be asked for; and what is checked out is the last thing fetched.
        if (branch is null)
            await GitAsync(cancellationToken, [.. fetch, "origin", name.Length > 0 ? name : commit]).ConfigureAwait(false);
    }

    /// <summary>Asks the server what there is of this name.</summary>
    private async Task<(string Name, string Commit)> FindAsync(CancellationToken cancellationToken)
    {
        string[] candidates = options.Ref.Length == 0 ? ["HEAD"] : options.Ref.StartsWith("refs/", StringComparison.Ordinal) ? [options.Ref]
            : [Heads + options.Ref, Tags + options.Ref];
        var output = await GitAsync(cancellationToken, ["ls-remote", "--symref", "origin", .. candidates]).ConfigureAwait(false);
        var lines = output.Split('\n').Select(line => line.Split('\t')).Where(parts => parts.Length == 2).ToList();
        foreach (var candidate in candidates)
        {
            if (lines.Find(parts => parts[1] == candidate && !parts[0].StartsWith("ref: ", StringComparison.Ordinal)) is not { } found)
                continue;
            var target = lines.Find(parts => parts[1] == candidate && parts[0].StartsWith("ref: " + Heads, StringComparison.Ordinal));
            return (target is null ? (candidate == "HEAD" ? "" : candidate) : target[0]["ref: ".Length..], found[0]);
        }

        throw GitSeedException.RefMissing(options);
    }

    private async Task<string> GitAsync(CancellationToken cancellationToken, params string[] arguments)
    {
        var end = await git.RunAsync(tree, arguments, progress, cancellationToken).ConfigureAwait(false);
        if (end.Status.Code == 0)
            return end.Output;
        throw GitSeedException.Of(end.Errors.Length > 0 ? end.Errors : $"git {arguments[0]} ended with {end.Status}", options);
    }
}

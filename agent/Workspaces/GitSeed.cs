using System.Globalization;
using Marionette.Workspaces;

namespace Marionette.Agent.Workspaces;

/// <summary>
/// Fills a fresh workspace from a git repository before its first run. It is all there or nothing is; after a crash the next call throws away what was
/// begun, or ends what was whole.
/// What the workspace keeps of it is an ordinary clone with a remote <c>origin</c>; the credential stays outside.
/// </summary>
/// <param name="workspace">The folder; made when it is not there.</param>
/// <param name="environment">PATH, proxies and certificates, as a driven agent has them.</param>
internal sealed class GitSeed(string workspace, IReadOnlyDictionary<string, string> environment, TimeProvider clock)
{
    private const string Heads = "refs/heads/", Tags = "refs/tags/", AllHeads = "+refs/heads/*:refs/remotes/origin/*";

    private static readonly TimeSpan MeasureEvery = TimeSpan.FromSeconds(1);

    /// <summary>Whether the workspace is still to be filled: it is empty, or a clone was begun and did not end.</summary>
    public bool IsFree => !Directory.Exists(workspace) || new SeedFolder(workspace).IsFree;

    /// <summary>Clones. Safe to call again after a crash.</summary>
    /// <exception cref="GitSeedException">Nothing was cloned; the workspace is empty again, unless it was not before.</exception>
    /// <exception cref="OperationCanceledException">The caller's wish; the workspace is empty again.</exception>
    public async Task<GitSeedReport> RunAsync(GitSeedOptions options, IProgress<GitSeedProgress>? progress, CancellationToken cancellationToken)
    {
        if (string.Join("; ", options.Problems()) is { Length: > 0 } problems)
            throw new GitSeedException(GitSeedFault.Invalid, $"The workspace cannot be cloned: {problems}.");
        var folder = new SeedFolder(workspace);
        try
        {
            Directory.CreateDirectory(workspace);
            if (!folder.IsFree)
                throw new GitSeedException(GitSeedFault.NotEmpty, $"{workspace} is not empty: only a fresh workspace is cloned into.");
            if (folder.Whole is null)
                await CloneAsync(folder, options, progress, cancellationToken).ConfigureAwait(false);
            var report = Read(folder.Whole!);
            folder.MoveUp();
            return report;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or WorkspaceException)
        {
            // Of a folder that cannot be written there is nothing to take away.
            var isFull = exception.Message.Contains("No space left", StringComparison.Ordinal);
            throw new GitSeedException(isFull ? GitSeedFault.NoSpace : GitSeedFault.Failed, $"The workspace cannot be written: {exception.Message}", exception);
        }
    }

    private async Task CloneAsync(SeedFolder folder, GitSeedOptions options, IProgress<GitSeedProgress>? progress, CancellationToken cancellationToken)
    {
        var started = clock.GetTimestamp();
        using var limit = new CancellationTokenSource(options.TimeLimit, clock);
        using var large = new CancellationTokenSource();
        using var ended = new CancellationTokenSource();
        using var any = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token, large.Token);
        var watch = Task.CompletedTask;
        try
        {
            folder.Begin();
            watch = Task.Run(() => WatchAsync(folder, options, large, ended.Token), CancellationToken.None);
            var clone = new Clone(new GitCommand(options, environment, folder.Own), options, folder.Tree, progress);
            var (commit, name) = await clone.RunAsync(any.Token).ConfigureAwait(false);
            var bytes = folder.Measure();
            if (bytes > options.MaxBytes)
                throw TooLarge(options);
            if (Path.Exists(Path.Combine(folder.Tree, SeedFolder.Name)))
                throw new GitSeedException(GitSeedFault.Invalid,
                    $"The repository has an entry '{SeedFolder.Name}', which is a name of Marionette's own: rename it.");
            folder.MarkWhole(string.Create(CultureInfo.InvariantCulture, $"{commit}\n{name}\n{bytes}\n{clock.GetElapsedTime(started).Ticks}"));
        }
        catch (Exception exception)
        {
            await ended.CancelAsync().ConfigureAwait(false);
            await watch.ConfigureAwait(false);
            folder.Clear();
            cancellationToken.ThrowIfCancellationRequested();
            if (exception is OperationCanceledException)
                throw large.IsCancellationRequested ? TooLarge(options)
                    : new GitSeedException(GitSeedFault.TimedOut,
                        $"{options.Url} was not cloned within {options.TimeLimit.TotalSeconds:0} s: raise the limit, or clone less (depth, filter).");
            throw;
        }

        await ended.CancelAsync().ConfigureAwait(false);
        await watch.ConfigureAwait(false);
    }

    /// <summary>git has no limit of its own for what it writes.</summary>
    private async Task WatchAsync(SeedFolder folder, GitSeedOptions options, CancellationTokenSource large, CancellationToken cancellationToken)
    {
        var pause = MeasureEvery;
        while (true)
        {
            await Task.Delay(pause, clock, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (cancellationToken.IsCancellationRequested)
                return;
            var started = clock.GetTimestamp();
            if (folder.Measure() > options.MaxBytes)
                await large.CancelAsync().ConfigureAwait(false);
            // A great many files take long to look at: no more than a tenth of the time goes into that.
            pause = TimeSpan.FromTicks(Math.Max(MeasureEvery.Ticks, 9 * clock.GetElapsedTime(started).Ticks));
        }
    }

    private static GitSeedException TooLarge(GitSeedOptions options) =>
        new(GitSeedFault.TooLarge, $"{options.Url} takes more than {options.MaxBytes} bytes on disk: raise the limit, or clone less (depth, filter).");

    private static GitSeedReport Read(string text)
    {
        var lines = text.Split('\n');
        return new GitSeedReport(lines[0], lines[1], long.Parse(lines[2], CultureInfo.InvariantCulture),
            TimeSpan.FromTicks(long.Parse(lines[3], CultureInfo.InvariantCulture)));
    }

    /// <summary>The commands of one clone. <c>git clone</c> itself takes no commit, and cannot tell which of branch and tag is missing.</summary>
    private sealed class Clone(GitCommand git, GitSeedOptions options, string tree, IProgress<GitSeedProgress>? progress)
    {
        /// <returns>The commit, and the full name of its branch or tag; empty: none.</returns>
        public async Task<(string Commit, string Name)> RunAsync(CancellationToken cancellationToken)
        {
            await GitAsync(cancellationToken, "init", "-q", "--template=").ConfigureAwait(false);
            await GitAsync(cancellationToken, "remote", "add", "origin", options.Url).ConfigureAwait(false);
            var (name, commit) = options.IsCommit ? ("", options.Ref) : await FindAsync(cancellationToken).ConfigureAwait(false);
            var branch = name.StartsWith(Heads, StringComparison.Ordinal) ? name[Heads.Length..] : null;
            if (options.Depth > 0 && branch is not null)
                await GitAsync(cancellationToken, "remote", "set-branches", "origin", branch).ConfigureAwait(false);
            await FetchAsync(name, commit, branch, cancellationToken).ConfigureAwait(false);
            if (branch is not null)
                await GitAsync(cancellationToken, "checkout", "--progress", "-B", branch, "--track", $"refs/remotes/origin/{branch}").ConfigureAwait(false);
            else
                await GitAsync(cancellationToken, "checkout", "--progress", "--detach", name.Length > 0 ? "FETCH_HEAD" : commit).ConfigureAwait(false);
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
}

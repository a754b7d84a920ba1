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
/// <param name="mirrors">Where mirrors of repositories are kept; null: nowhere.</param>
internal sealed class GitSeed(string workspace, IReadOnlyDictionary<string, string> environment, TimeProvider clock, IGitMirrors? mirrors = null)
{
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
            var mirror = folder.Whole is null ? await CloneAsync(folder, options, progress, cancellationToken).ConfigureAwait(false) : null;
            var report = Read(folder.Whole!) with { Mirror = mirror };
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

    private async Task<MirrorReport?> CloneAsync(SeedFolder folder, GitSeedOptions options, IProgress<GitSeedProgress>? progress, CancellationToken cancellationToken)
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
            var (commit, name, mirror) = await TryAsync(folder, options, progress, any.Token).ConfigureAwait(false);
            var bytes = folder.Measure();
            if (bytes > options.MaxBytes)
                throw TooLarge(options);
            if (Path.Exists(Path.Combine(folder.Tree, SeedFolder.Name)))
                throw new GitSeedException(GitSeedFault.Invalid,
                    $"The repository has an entry '{SeedFolder.Name}', which is a name of Marionette's own: rename it.");
            folder.MarkWhole(string.Create(CultureInfo.InvariantCulture, $"{commit}\n{name}\n{bytes}\n{clock.GetElapsedTime(started).Ticks}"));
            await ended.CancelAsync().ConfigureAwait(false);
            await watch.ConfigureAwait(false);
            return mirror;
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
    }

    /// <summary>Clones, with the mirror if there is one and it serves; otherwise as if there were none.</summary>
    private async Task<(string Commit, string Name, MirrorReport? Mirror)> TryAsync(
        SeedFolder folder, GitSeedOptions options, IProgress<GitSeedProgress>? progress, CancellationToken cancellationToken)
    {
        // Whether the server still gives a commit that no branch leads to, it is not asked where a mirror has it.
        var mirror = mirrors is null || options.IsCommit ? null : new GitMirror(mirrors, options, folder.Own, folder.Tree);
        try
        {
            return await OnceAsync(mirror).ConfigureAwait(false);
        }
        catch (Exception exception) when (mirror is { IsLoaded: true } && exception is GitSeedException or IOException && !cancellationToken.IsCancellationRequested)
        {
            folder.Begin();
            var (commit, name, _) = await OnceAsync(null).ConfigureAwait(false);
            return (commit, name, await mirror.DropAsync(exception.Message, cancellationToken).ConfigureAwait(false));
        }

        async Task<(string Commit, string Name, MirrorReport? Mirror)> OnceAsync(GitMirror? with)
        {
            var (commit, name) = await new GitClone(new GitCommand(options, environment, folder.Own), options, folder.Tree, progress).RunAsync(with, cancellationToken).ConfigureAwait(false);
            return (commit, name, with is null ? null : await with.OfferAsync(cancellationToken).ConfigureAwait(false));
        }
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
}

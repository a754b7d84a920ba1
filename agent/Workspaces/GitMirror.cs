using Marionette.Workspaces;

namespace Marionette.Agent.Workspaces;

/// <summary>
/// The mirror in one clone. Its packs lie in the clone before it fetches, so that the server sends what is new alone; afterwards what the server has not named to
/// this session is taken out again. The agent program sees neither the mirror nor what was taken out: it starts later.
/// </summary>
/// <param name="own">A folder of this clone's own.</param>
/// <param name="tree">The clone.</param>
internal sealed class GitMirror(IGitMirrors mirrors, GitSeedOptions options, string own, string tree)
{
    private const string Names = "refs/marionette/";

    private MirrorReport report = new(MirrorState.None);
    private MirrorOffer? loaded;
    private string? id;
    private IReadOnlyList<string> tips = [];

    /// <summary>There is a mirror, and some of it may be in the clone.</summary>
    public bool IsLoaded => id is not null;

    private string Git => Path.Combine(tree, ".git");

    private string PackFolder => Path.Combine(Git, "objects", "pack");

    /// <summary>Puts it into an empty repository. The server has taken the session's credential by now.</summary>
    /// <exception cref="GitSeedException">It does not serve.</exception>
    /// <exception cref="IOException">It does not serve, or the disk is full.</exception>
    public async Task LoadAsync(GitCommand git, CancellationToken cancellationToken)
    {
        var folder = Path.Combine(own, "mirror");
        try
        {
            id = await mirrors.BringAsync(options, folder, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is WorkspaceException or IOException or UnauthorizedAccessException)
        {
            report = new MirrorReport(MirrorState.Failed, Why: exception.Message);
            MirrorFolder.Remove(folder);
        }

        if (id is null)
            return;
        loaded = MirrorFolder.Read(folder);
        if (loaded.Shallow.Count > 0 && options.Depth == 0)
            throw new IOException("the mirror has a part of the history, and all of it is wanted");
        Directory.CreateDirectory(PackFolder);
        foreach (var pack in loaded.Packs)
        {
            var path = Path.Combine(PackFolder, Path.GetFileName(pack));
            File.Move(pack, path);
            // Each object gets the name that its content has: whoever made the mirror, a false object is not what the server names.
            string[] promisor = options.UsedFilter.Length > 0 ? ["--promisor"] : [];
            await GitAsync(git, "", cancellationToken, ["index-pack", .. promisor, path]).ConfigureAwait(false);
        }

        if (loaded.Shallow.Count > 0)
            await File.WriteAllLinesAsync(Path.Combine(Git, "shallow"), loaded.Shallow, cancellationToken).ConfigureAwait(false);
        await GitAsync(git, string.Concat(loaded.Tips.Select((tip, at) => $"create {Names}{at} {tip}\n")), cancellationToken, "update-ref", "--stdin").ConfigureAwait(false);
        // What a name leads to is taken to be there, and not fetched. A partial clone gets what it lacks when it needs it.
        if (options.UsedFilter.Length == 0)
            await GitAsync(git, "", cancellationToken, "rev-list", "--objects", "--quiet", $"--glob={Names}*").ConfigureAwait(false);
    }

    /// <summary>Takes what is the mirror's alone out of a clone that is complete, and looks what there is for later ones.</summary>
    /// <exception cref="GitSeedException">It cannot be taken out.</exception>
    public async Task UnloadAsync(GitCommand git, CancellationToken cancellationToken)
    {
        if (loaded is not null)
        {
            var fetched = PackBytes() - loaded.Bytes;
            report = new MirrorReport(MirrorState.Used, loaded.Bytes, fetched);
            await GitAsync(git, string.Concat(loaded.Tips.Select((_, at) => $"delete {Names}{at}\n")), cancellationToken, "update-ref", "--stdin").ConfigureAwait(false);
            var left = await GitAsync(git, string.Concat(loaded.Tips.Select(tip => tip + "\n")), cancellationToken, "rev-list", "--objects", "--missing=allow-any", "--stdin", "--not", "--all")
                .ConfigureAwait(false);
            // Behind the commits of a history that is cut lies what an older cut has left, too.
            if (left.Length > 0 || options.Depth > 0 && fetched > 0)
                await RepackAsync(git, cancellationToken).ConfigureAwait(false);
        }

        var names = await GitAsync(git, "", cancellationToken, "for-each-ref", "--format=%(objectname)").ConfigureAwait(false);
        var head = await GitAsync(git, "", cancellationToken, "rev-parse", "HEAD").ConfigureAwait(false);
        tips = [.. (names + head).Split('\n', StringSplitOptions.RemoveEmptyEntries).Distinct(StringComparer.Ordinal)];
    }

    /// <summary>Offers what the clone has for later ones.</summary>
    public async Task<MirrorReport> OfferAsync(CancellationToken cancellationToken)
    {
        var cut = Path.Combine(Git, "shallow");
        var shallow = File.Exists(cut) ? await File.ReadAllLinesAsync(cut, cancellationToken).ConfigureAwait(false) : [];
        // A server may have no more than a part itself; a store that is away takes nothing.
        if (report.State == MirrorState.Failed || tips.Count > MirrorFolder.MostTips || shallow.Length > (options.Depth == 0 ? 0 : MirrorFolder.MostTips))
            return report;
        var bytes = PackBytes();
        var offer = new MirrorOffer(Directory.GetFiles(PackFolder, "*.pack"), tips, shallow, bytes, report.State == MirrorState.Used ? Math.Min(report.Fetched, bytes) : bytes);
        await mirrors.OfferAsync(options, offer, cancellationToken).ConfigureAwait(false);
        return report;
    }

    /// <summary>It did not serve: the clone was made without it.</summary>
    public async Task<MirrorReport> DropAsync(string why, CancellationToken cancellationToken)
    {
        await mirrors.DropAsync(options, id!, cancellationToken).ConfigureAwait(false);
        return new MirrorReport(MirrorState.Dropped, Why: why);
    }

    private async Task RepackAsync(GitCommand git, CancellationToken cancellationToken)
    {
        if (options.UsedFilter.Length == 0)
        {
            await GitAsync(git, "", cancellationToken, "repack", "-a", "-d", "-q").ConfigureAwait(false);
            return;
        }

        // repack keeps everything of a partial clone that the server has ever sent, whether a name leads to it or not.
        var name = (await GitAsync(git, "", cancellationToken, "pack-objects", "-q", "--revs", "--all", "--missing=allow-any", Path.Combine(PackFolder, "pack")).ConfigureAwait(false)).Trim();
        await File.WriteAllBytesAsync(Path.Combine(PackFolder, $"pack-{name}.promisor"), [], cancellationToken).ConfigureAwait(false);
        foreach (var path in Directory.GetFiles(PackFolder))
            if (!Path.GetFileName(path).StartsWith($"pack-{name}.", StringComparison.Ordinal))
                File.Delete(path);
    }

    private long PackBytes() => Directory.GetFiles(PackFolder, "*.pack").Sum(path => new FileInfo(path).Length);

    private async Task<string> GitAsync(GitCommand git, string input, CancellationToken cancellationToken, params string[] arguments)
    {
        var end = await git.RunAsync(tree, arguments, null, cancellationToken, input).ConfigureAwait(false);
        if (end.Status.Code == 0)
            return end.Output;
        throw new GitSeedException(GitSeedFault.Failed, $"git {arguments[0]}: {(end.Errors.Length > 0 ? end.Errors.Trim() : end.Status.ToString())}");
    }
}

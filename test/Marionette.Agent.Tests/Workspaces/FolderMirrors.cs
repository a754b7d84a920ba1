using Marionette.Agent.Workspaces;
using Marionette.Workspaces;

namespace Marionette.Agent.Tests.Workspaces;

/// <summary>Mirrors in a folder: the last clone that was offered is the mirror of all.</summary>
internal sealed class FolderMirrors(string folder) : IGitMirrors
{
    public string Kept => Path.Combine(folder, "kept");

    /// <summary>How often one was asked for.</summary>
    public int Asked { get; private set; }

    public int Dropped { get; private set; }

    public MirrorOffer? Offered { get; private set; }

    public bool IsAway { get; set; }

    public async Task<string?> BringAsync(GitSeedOptions options, string folder, CancellationToken cancellationToken)
    {
        Asked++;
        if (IsAway)
            throw new WorkspaceException(WorkspaceFault.Io, "The store is away.");
        if (!Directory.Exists(Kept))
            return null;
        Directory.CreateDirectory(folder);
        foreach (var file in new DirectoryInfo(Kept).GetFiles())
        {
            var to = Path.Combine(folder, file.Name);
            if (file.LinkTarget is { } target)
                File.CreateSymbolicLink(to, target);
            else
                await Task.Run(() => file.CopyTo(to), cancellationToken);
        }

        return "mirror";
    }

    public Task DropAsync(GitSeedOptions options, string id, CancellationToken cancellationToken)
    {
        Dropped++;
        MirrorFolder.Remove(Kept);
        return Task.CompletedTask;
    }

    public Task OfferAsync(GitSeedOptions options, MirrorOffer offer, CancellationToken cancellationToken)
    {
        MirrorFolder.Remove(Kept);
        MirrorFolder.Write(Kept, offer);
        Offered = offer;
        return Task.CompletedTask;
    }
}

using Marionette.Workspaces;

namespace Marionette.Agent.Workspaces;

/// <summary>What came of the mirror of a repository in a clone.</summary>
internal enum MirrorState
{
    /// <summary>There was none for this address and credential.</summary>
    None = 0,

    /// <summary>The clone began with it.</summary>
    Used,

    /// <summary>It could not be read: the clone went on without.</summary>
    Failed,

    /// <summary>It did not serve: the clone was made anew without, and the mirror is gone.</summary>
    Dropped,
}

/// <summary>What came of the mirror of a repository in a clone.</summary>
/// <param name="Bytes">Of the packs that came from it.</param>
/// <param name="Fetched">Bytes of the packs that the server added.</param>
/// <param name="Why">For <see cref="MirrorState.Failed"/> and <see cref="MirrorState.Dropped"/>.</param>
internal sealed record MirrorReport(MirrorState State, long Bytes = 0, long Fetched = 0, string? Why = null);

/// <summary>What a clone has, for later ones.</summary>
/// <param name="Packs">Paths; they are there until the offer is answered.</param>
/// <param name="Tips">Objects that names lead to.</param>
/// <param name="Shallow">Commits whose parents are not there.</param>
/// <param name="Bytes">Of the packs.</param>
/// <param name="Fetched">So many of them came from the server.</param>
internal sealed record MirrorOffer(IReadOnlyList<string> Packs, IReadOnlyList<string> Tips, IReadOnlyList<string> Shallow, long Bytes, long Fetched);

/// <summary>
/// Where mirrors are kept: folders with packs of git, <c>tips</c>, and <c>shallow</c> where a history is cut. What is in one is believed by nobody: git counts the
/// names of all objects anew.
/// </summary>
internal interface IGitMirrors
{
    /// <summary>Brings the mirror for a clone. To be asked once the server has taken the clone's credential.</summary>
    /// <param name="folder">Made, and filled.</param>
    /// <returns>Its id; null: there is none.</returns>
    /// <exception cref="WorkspaceException">It could not be brought.</exception>
    Task<string?> BringAsync(GitSeedOptions options, string folder, CancellationToken cancellationToken);

    /// <summary>Forgets a mirror that does not serve, if that can be done now.</summary>
    Task DropAsync(GitSeedOptions options, string id, CancellationToken cancellationToken);

    /// <summary>Offers what a clone has. It may be taken, and is copied then; nothing waits for it to be stored.</summary>
    Task OfferAsync(GitSeedOptions options, MirrorOffer offer, CancellationToken cancellationToken);
}

namespace Marionette.Workspaces;

/// <summary>
/// Says that servers keep an index of their own over this part of a store. A collection by anybody else would delete packs that this index goes on naming, and the
/// next snapshot would rely on them.
/// </summary>
public static class ServedMark
{
    private const string Name = "marks/served";

    /// <summary>Put by a server before it hands the keys to a writer.</summary>
    public static async Task PutAsync(IBlobStore store, CancellationToken cancellationToken) =>
        await store.PutAsync(Name, new byte[1], BlobPut.IfAbsent, cancellationToken).ConfigureAwait(false);

    /// <summary>Whether servers use it.</summary>
    public static async Task<bool> IsThereAsync(IBlobStore store, CancellationToken cancellationToken) =>
        await store.FindAsync(Name, cancellationToken).ConfigureAwait(false) is not null;

    /// <summary>No server uses it any more, says who asks.</summary>
    public static ValueTask RemoveAsync(IBlobStore store, CancellationToken cancellationToken) => store.DeleteAsync(Name, cancellationToken);
}

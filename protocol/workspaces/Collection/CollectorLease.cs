namespace Marionette.Workspaces;

/// <summary>
/// One collector at a time, so that two do not do the same work. The holder of the highest number holds; the next one may be put when it is over. Nothing depends on it but cost:
/// what a collector that lost its lease still deletes stays dead, because no snapshot can come to need it.
/// </summary>
internal sealed class CollectorLease : IAsyncDisposable
{
    private const string Prefix = StoreNames.Leases + "gc-", Done = ".done";

    private static readonly TimeSpan Duration = TimeSpan.FromHours(1);

    private readonly IBlobStore _store;
    private readonly string _name;

    private CollectorLease(IBlobStore store, string name) => (_store, _name) = (store, name);

    /// <exception cref="WorkspaceException">Busy: another one is at work.</exception>
    public static async Task<CollectorLease> TakeAsync(IBlobStore store, TimeProvider clock, CancellationToken cancellationToken)
    {
        var names = new List<string>();
        await foreach (var info in store.ListAsync(StoreNames.Leases, cancellationToken).ConfigureAwait(false))
            if (info.Name.StartsWith(Prefix, StringComparison.Ordinal))
                names.Add(info.Name);
        var newest = names.Select(NumberOf).DefaultIfEmpty(0).Max();
        var done = newest == 0 || names.Contains(Name(newest) + Done);
        if (!done && !UploadLease.IsOver(await store.ReadWholeAsync(Name(newest), 64, cancellationToken).ConfigureAwait(false), clock.GetUtcNow()))
            throw Another();
        var own = Name(newest + 1);
        if (!await store.PutAsync(own, UploadLease.Expiry(clock.GetUtcNow() + Duration), BlobPut.Fleeting, cancellationToken).ConfigureAwait(false))
            throw Another();
        foreach (var old in names)
            await store.DeleteAsync(old, cancellationToken).ConfigureAwait(false);
        return new CollectorLease(store, own);
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await _store.PutAsync(_name + Done, new byte[1], BlobPut.Fleeting, CancellationToken.None).ConfigureAwait(false);
        }
        catch (WorkspaceException)
        {
            // It runs out.
        }
    }

    private static WorkspaceException Another() => new(WorkspaceFault.Busy, "Another collection is at work on this tenant.");

    private static string Name(int number) => $"{Prefix}{number:0000000000}";

    private static int NumberOf(string name) => int.TryParse(name.AsSpan(Prefix.Length, Math.Min(10, name.Length - Prefix.Length)), out var number) ? number : 0;
}

using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Marionette.Workspaces;

/// <summary>
/// Says that a snapshot is under way: what was condemned since its lease began is not deleted before it ends. A lease that is not renewed runs out, and a collector
/// that no longer waits for it fences it first, so that its late owner cannot finish.
/// </summary>
internal sealed class UploadLease : IAsyncDisposable
{
    public const string Prefix = StoreNames.Leases + "up-", Fence = ".fenced";

    public static readonly TimeSpan Duration = TimeSpan.FromMinutes(10);

    /// <summary>Clocks of two machines may differ by this much.</summary>
    public static readonly TimeSpan Skew = TimeSpan.FromMinutes(2);

    private readonly IBlobStore _store;
    private readonly TimeProvider _clock;
    private readonly string _name;
    private readonly CancellationTokenSource _ended = new();
    private Task _renewal = Task.CompletedTask;

    private UploadLease(IBlobStore store, TimeProvider clock, string name) => (_store, _clock, _name) = (store, clock, name);

    public static async Task<UploadLease> TakeAsync(IBlobStore store, TimeProvider clock, CancellationToken cancellationToken)
    {
        var lease = new UploadLease(store, clock, Prefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12)));
        await store.PutAsync(lease._name, Expiry(clock.GetUtcNow() + Duration), BlobPut.Fleeting, cancellationToken).ConfigureAwait(false);
        lease._renewal = lease.RenewAsync();
        return lease;
    }

    /// <summary>To be called when the snapshot's record is written: only now it is sure that nothing of it was deleted.</summary>
    /// <exception cref="WorkspaceException">Busy: a collector has given this lease up.</exception>
    public async Task ConfirmAsync(CancellationToken cancellationToken)
    {
        if (await _store.FindAsync(_name + Fence, cancellationToken).ConfigureAwait(false) is not null)
            throw new WorkspaceException(WorkspaceFault.Busy, "The snapshot took so long without a sign of life that a collection went past it; make it again.");
    }

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync().ConfigureAwait(false);
        await _renewal.ConfigureAwait(false);
        _ended.Dispose();
        try
        {
            await _store.DeleteAsync(_name, CancellationToken.None).ConfigureAwait(false);
        }
        catch (WorkspaceException)
        {
            // It runs out.
        }
    }

    public static byte[] Expiry(DateTimeOffset at)
    {
        var content = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(content, at.ToUnixTimeMilliseconds());
        return content;
    }

    public static bool IsOver(byte[]? content, DateTimeOffset now) =>
        content is null || content.Length < 8 || BinaryPrimitives.ReadInt64LittleEndian(content) + (long)Skew.TotalMilliseconds < now.ToUnixTimeMilliseconds();

    private async Task RenewAsync()
    {
        while (!_ended.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(Duration / 3, _clock, _ended.Token).ConfigureAwait(false);
                await _store.PutAsync(_name, Expiry(_clock.GetUtcNow() + Duration), BlobPut.Replace, _ended.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (WorkspaceException)
            {
                // Tried again; should it run out, the fence tells.
            }
        }
    }
}

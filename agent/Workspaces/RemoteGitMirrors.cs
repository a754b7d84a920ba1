using Google.Protobuf;
using Grpc.Core;
using Marionette.Agent.Hosting;
using Marionette.Workspaces;
using Microsoft.Extensions.Logging;
using Wire = Marionette.Protocol.Workspaces.V1;

namespace Marionette.Agent.Workspaces;

/// <summary>Mirrors of repositories in the tenant's chunk store, through a gateway. No clone fails, or waits long, because of them.</summary>
internal sealed class RemoteGitMirrors(AgentConfig config, byte[] secret, DirectTransfers direct, TimeProvider clock, ILogger log) : IGitMirrors
{
    private const int MostEntries = 1000;

    /// <summary>A gateway that is away has a mirror that is of no use.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private Wire.MirrorName? offered;

    /// <summary>Where a copy stands until it is stored: out of the workspace.</summary>
    private string Place => Path.Combine(config.StateDir, "git-mirror");

    public async Task<string?> BringAsync(GitSeedOptions options, string folder, CancellationToken cancellationToken)
    {
        if (!IsServed(options))
            return null;
        using var connection = new StoreConnection(config, secret, direct, clock);
        var request = new Wire.OpenMirrorRequest { Name = NameOf(options) };
        var opened = await OnceAsync(call => connection.Client.OpenMirrorAsync(request, call), connection, cancellationToken).ConfigureAwait(false);
        if (opened is not { Snapshot.Length: > 0 })
            return null;
        // The clone without it still has to fit into its time.
        using var limit = new CancellationTokenSource(options.TimeLimit / 3, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            var blobs = new RemoteBlobStore(connection);
            var restorer = new Restorer(blobs, new RemoteChunkIndex(connection, blobs), new ConvergenceKey(opened.Key.Span));
            var how = new RestoreOptions { MaxBytes = options.MaxBytes, MaxEntries = MostEntries, SnapshotId = opened.Snapshot };
            await restorer.RestoreAsync(new ChunkRef(opened.Root.Span), folder, how, both.Token).ConfigureAwait(false);
            return opened.Snapshot;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw WorkspaceException.Io($"The mirror was not here after {options.TimeLimit.TotalSeconds / 3:0} s.");
        }
        catch (WorkspaceException fault) when (fault.Fault is WorkspaceFault.Missing or WorkspaceFault.Corrupt or WorkspaceFault.Limit)
        {
            await DropAsync(options, opened.Snapshot, cancellationToken).ConfigureAwait(false);
            throw;
        }
    }

    public async Task DropAsync(GitSeedOptions options, string id, CancellationToken cancellationToken)
    {
        try
        {
            using var connection = new StoreConnection(config, secret, direct, clock);
            var request = new Wire.DropMirrorRequest { Name = NameOf(options), Snapshot = id };
            await OnceAsync(call => connection.Client.DropMirrorAsync(request, call), connection, cancellationToken).ConfigureAwait(false);
        }
        catch (WorkspaceException exception)
        {
            // The next clone finds the same.
            log.MirrorFailed(exception.Message);
        }
    }

    public async Task OfferAsync(GitSeedOptions options, MirrorOffer offer, CancellationToken cancellationToken)
    {
        offered = null;
        if (!IsServed(options))
            return;
        try
        {
            using var connection = new StoreConnection(config, secret, direct, clock);
            var request = new Wire.OfferMirrorRequest { Name = NameOf(options), Bytes = offer.Bytes, Fetched = offer.Fetched };
            if (await OnceAsync(call => connection.Client.OfferMirrorAsync(request, call), connection, cancellationToken).ConfigureAwait(false) is not { Wanted: true })
                return;
            MirrorFolder.Remove(Place);
            MirrorFolder.Write(Place, offer);
            offered = request.Name;
        }
        catch (Exception exception) when (exception is WorkspaceException or IOException or UnauthorizedAccessException)
        {
            log.MirrorFailed(exception.Message);
            Clear();
        }
    }

    /// <summary>Stores what was taken of the last clone, beside the session's work. It ends early with the runner.</summary>
    public void StoreOffered(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref offered, null) is { } name)
            _ = Task.Run(() => StoreAsync(name, cancellationToken), CancellationToken.None);
    }

    /// <summary>Removes what is left of one that was not stored.</summary>
    public void Clear()
    {
        try
        {
            MirrorFolder.Remove(Place);
        }
        catch (Exception exception) when (exception is WorkspaceException or IOException or UnauthorizedAccessException)
        {
            log.MirrorFailed(exception.Message);
        }
    }

    private static bool IsServed(GitSeedOptions options) => options.Protocol is "https" or "http";

    private static Wire.MirrorName NameOf(GitSeedOptions options) => new()
    {
        Url = options.Url, Depth = options.Depth, Filter = options.UsedFilter, User = options.Credential?.User ?? "", Secret = options.Credential?.Secret ?? "",
    };

    private async Task StoreAsync(Wire.MirrorName name, CancellationToken cancellationToken)
    {
        try
        {
            using var connection = new StoreConnection(config, secret, direct, clock);
            var opened = await connection.CallAsync(call => connection.Client.OpenAsync(new Wire.OpenRequest(), call), cancellationToken).ConfigureAwait(false);
            var uploader = new Uploader(new RemoteBlobStore(connection), new RemoteChunkIndex(connection), new ConvergenceKey(opened.Key.Span), clock);
            var report = await uploader.SnapshotAsync(Place, new SnapshotOptions { Workers = 1 }, RecordAsync, ForgetAsync, cancellationToken).ConfigureAwait(false);
            log.MirrorStored(report.Id, report.Bytes);

            async Task<string> RecordAsync(SnapshotReport made, CancellationToken token)
            {
                if (made.SkippedCount > 0)
                    throw new WorkspaceException(WorkspaceFault.Io, $"{made.Skipped[0].Path} cannot be read: {made.Skipped[0].Detail}");
                var request = new Wire.RecordMirrorRequest { Name = name, Root = ByteString.CopyFrom(made.Root.ToArray()), Files = made.Files, Bytes = made.Bytes };
                return (await connection.CallAsync(call => connection.Client.RecordMirrorAsync(request, call), token).ConfigureAwait(false)).Snapshot;
            }

            async Task ForgetAsync(string id) =>
                await connection.CallAsync(call => connection.Client.DropMirrorAsync(new Wire.DropMirrorRequest { Name = name, Snapshot = id }, call), CancellationToken.None)
                    .ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            // Whatever it was: the session goes on, and a later clone is asked again.
            log.MirrorFailed(exception.Message);
        }
        finally
        {
            Clear();
        }
    }

    /// <summary>A call that only newer gateways know, once.</summary>
    /// <returns>Null: this one does not.</returns>
    private async Task<T?> OnceAsync<T>(Func<CallOptions, AsyncUnaryCall<T>> call, StoreConnection connection, CancellationToken cancellationToken) where T : class
    {
        try
        {
            return await call(connection.Streaming(cancellationToken).WithDeadline((clock.GetUtcNow() + Patience).UtcDateTime)).ConfigureAwait(false);
        }
        catch (RpcException unknown) when (unknown.StatusCode == StatusCode.Unimplemented)
        {
            return null;
        }
        catch (RpcException exception)
        {
            throw StoreConnection.Translate(exception, cancellationToken);
        }
    }
}

using Grpc.Core;
using Marionette.Workspaces;
using Wire = Marionette.Protocol.Workspaces.V1;

namespace Marionette.Agent.Workspaces;

/// <summary>
/// Reads objects in blocks and keeps the newest few: chunks of one folder lie side by side in a pack, and a call for each of them would cost far more than
/// their bytes. Two readers of one block wait for the same call.
/// </summary>
internal sealed class BlockCache(StoreConnection connection)
{
    private const int BlockSize = 1024 * 1024, Most = 24, Attempts = 4;

    private const string Packs = "packs/";

    private readonly Lock gate = new();
    private readonly Dictionary<string, (Wire.SignedCall Call, DateTimeOffset Until)> signed = new(StringComparer.Ordinal);
    private readonly LinkedList<(string Name, long Number, Task<byte[]> Bytes)> blocks = [];

    /// <summary>As <see cref="IBlobStore.ReadAsync"/>.</summary>
    public async ValueTask<int> ReadAsync(string name, long offset, Memory<byte> target, CancellationToken cancellationToken)
    {
        var number = offset / BlockSize;
        var within = (int)(offset % BlockSize);
        var block = await BlockOf(name, number, cancellationToken).WaitAsync(cancellationToken).ConfigureAwait(false);
        if (within >= block.Length)
            return 0;
        var count = Math.Min(block.Length - within, target.Length);
        block.AsMemory(within, count).CopyTo(target);
        return count;
    }

    private Task<byte[]> BlockOf(string name, long number, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            for (var node = blocks.First; node is not null; node = node.Next)
            {
                if (node.Value.Number != number || node.Value.Name != name)
                    continue;
                blocks.Remove(node);
                if (node.Value.Bytes.IsFaulted || node.Value.Bytes.IsCanceled)
                    break;
                blocks.AddFirst(node);
                return node.Value.Bytes;
            }

            var bytes = FetchAsync(name, number * BlockSize, cancellationToken);
            blocks.AddFirst((name, number, bytes));
            if (blocks.Count > Most)
                blocks.RemoveLast();
            return bytes;
        }
    }

    private async Task<byte[]> FetchAsync(string name, long offset, CancellationToken cancellationToken)
    {
        await Task.Yield();
        if (await FetchDirectlyAsync(name, offset, cancellationToken).ConfigureAwait(false) is { } direct)
            return direct;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await FetchOnceAsync(name, offset, cancellationToken).ConfigureAwait(false);
            }
            catch (RpcException exception)
            {
                if (attempt == Attempts || !StoreConnection.IsPassing(exception))
                    throw StoreConnection.Translate(exception, cancellationToken);
            }

            await Task.Delay(TimeSpan.FromMilliseconds(300 * attempt), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <returns>Null: it is to be read through the gateway.</returns>
    private async Task<byte[]?> FetchDirectlyAsync(string name, long offset, CancellationToken cancellationToken)
    {
        if (!name.StartsWith(Packs, StringComparison.Ordinal) || !connection.Direct.IsOpen)
            return null;
        (Wire.SignedCall Call, DateTimeOffset Until) known;
        lock (gate)
            signed.TryGetValue(name, out known);
        if (known.Call is null || known.Until <= connection.Now)
        {
            var request = new Wire.SignReadRequest { Pack = name[Packs.Length..] };
            var reply = await connection.AskDirectAsync(options => connection.Client.SignReadAsync(request, options), cancellationToken).ConfigureAwait(false);
            if (reply?.Call is null)
            {
                connection.Direct.Close(null);
                return null;
            }

            known = (reply.Call, connection.Now + (TimeSpan.FromSeconds(reply.Call.Seconds) / 2));
            lock (gate)
                signed[name] = known;
        }

        return await connection.Direct.ReadAsync(known.Call, offset, BlockSize, cancellationToken).ConfigureAwait(false);
    }

    private async Task<byte[]> FetchOnceAsync(string name, long offset, CancellationToken cancellationToken)
    {
        var request = new Wire.ReadObjectRequest { Name = name, Offset = offset, Length = BlockSize };
        using var call = connection.Client.ReadObject(request, connection.Streaming(cancellationToken));
        var block = GC.AllocateUninitializedArray<byte>(BlockSize);
        var filled = 0;
        while (await call.ResponseStream.MoveNext(cancellationToken).ConfigureAwait(false))
        {
            var part = call.ResponseStream.Current.Content;
            if (part.Length > block.Length - filled)
                throw new WorkspaceException(WorkspaceFault.Corrupt, $"The chunk store sent more of {name} than it was asked for.");
            part.CopyTo(block, filled);
            filled += part.Length;
        }

        return filled == block.Length ? block : block[..filled];
    }
}

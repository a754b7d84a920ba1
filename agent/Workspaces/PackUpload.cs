using Google.Protobuf;
using Grpc.Core;
using Marionette.Workspaces;
using Wire = Marionette.Protocol.Workspaces.V1;

namespace Marionette.Agent.Workspaces;

/// <summary>A pack on its way: straight to the store where that is possible, otherwise through the gateway, which checks its name against its bytes.</summary>
internal sealed class PackUpload(StoreConnection connection, CancellationToken cancellationToken) : IBlobUpload
{
    private const string Folder = "packs/";

    private PackSpool? spool;
    private PackStream? stream;

    public async ValueTask AppendAsync(ReadOnlyMemory<byte> bytes, CancellationToken token)
    {
        if (stream is null && connection.Direct.IsOpen)
        {
            try
            {
                spool ??= new PackSpool(connection.SpoolFolder);
                await spool.AddAsync(bytes, token).ConfigureAwait(false);
                return;
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // A disk that is full is no reason to keep nothing of what is on it.
            }
        }

        await (await ThroughGatewayAsync(token).ConfigureAwait(false)).SendAsync(bytes).ConfigureAwait(false);
    }

    public async ValueTask CommitAsync(string name, CancellationToken token)
    {
        if (!name.StartsWith(Folder, StringComparison.Ordinal))
            throw new WorkspaceException(WorkspaceFault.Invalid, $"{name} is no pack.");
        var pack = name[Folder.Length..];
        if (stream is null && spool is not null && await SendDirectlyAsync(spool, pack, token).ConfigureAwait(false))
            return;
        await (await ThroughGatewayAsync(token).ConfigureAwait(false)).EndAsync(pack).ConfigureAwait(false);
    }

    public ValueTask DisposeAsync()
    {
        spool?.Dispose();
        stream?.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <returns>False: it goes the other way.</returns>
    private async Task<bool> SendDirectlyAsync(PackSpool pack, string name, CancellationToken token)
    {
        if (!connection.Direct.IsOpen)
            return false;
        var request = new Wire.SignPackRequest { Pack = name, Length = pack.Length, Sha256 = ByteString.CopyFrom(pack.Hash()) };
        var reply = await connection.AskDirectAsync(options => connection.Client.SignPackAsync(request, options), token).ConfigureAwait(false);
        if (reply is { Stored: true })
            return true;
        if (reply?.Call is { } call)
            return await connection.Direct.PutAsync(call, pack.Content, token).ConfigureAwait(false);
        connection.Direct.Close(null);
        return false;
    }

    private async Task<PackStream> ThroughGatewayAsync(CancellationToken token)
    {
        if (stream is not null)
            return stream;
        stream = new PackStream(connection, cancellationToken);
        if (spool is not null)
            await foreach (var part in spool.ReadAsync(token).ConfigureAwait(false))
                await stream.SendAsync(part).ConfigureAwait(false);
        return stream;
    }

    /// <summary>The call that carries a pack through the gateway.</summary>
    private sealed class PackStream(StoreConnection connection, CancellationToken cancellationToken) : IDisposable
    {
        private readonly AsyncClientStreamingCall<Wire.PackPart, Wire.PutPackReply> call = connection.Client.PutPack(connection.Streaming(cancellationToken));

        public ValueTask SendAsync(ReadOnlyMemory<byte> bytes) => SendAsync(new Wire.PackPart { Content = ByteString.CopyFrom(bytes.Span) });

        public async ValueTask EndAsync(string name)
        {
            await SendAsync(new Wire.PackPart { Name = name }).ConfigureAwait(false);
            try
            {
                await call.RequestStream.CompleteAsync().ConfigureAwait(false);
                await call.ResponseAsync.ConfigureAwait(false);
            }
            catch (RpcException exception)
            {
                throw StoreConnection.Translate(exception, cancellationToken);
            }
        }

        public void Dispose() => call.Dispose();

        private async ValueTask SendAsync(Wire.PackPart part)
        {
            try
            {
                await call.RequestStream.WriteAsync(part, cancellationToken).ConfigureAwait(false);
            }
            catch (RpcException exception)
            {
                throw StoreConnection.Translate(exception, cancellationToken);
            }
            catch (InvalidOperationException)
            {
                // The server has ended the call: its answer says why.
                try
                {
                    await call.ResponseAsync.ConfigureAwait(false);
                }
                catch (RpcException exception)
                {
                    throw StoreConnection.Translate(exception, cancellationToken);
                }

                throw new WorkspaceException(WorkspaceFault.Io, "The chunk store ended the upload of a pack.");
            }
        }
    }
}

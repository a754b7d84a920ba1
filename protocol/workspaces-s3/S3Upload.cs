namespace Marionette.Workspaces.S3;

/// <summary>
/// An object on its way. The service must know name and length first, so it stands in a file meanwhile that has no name: memory stays small however many there
/// are, and a process that dies leaves nothing.
/// </summary>
internal sealed class S3Upload(S3BlobStore store) : IBlobUpload
{
    private FileStream? _file;

    /// <inheritdoc/>
    public async ValueTask AppendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        try
        {
            _file ??= Open();
            await _file.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw WorkspaceException.Io($"An object on its way cannot be kept in {Path.GetTempPath()}: {exception.Message}", exception);
        }
    }

    /// <inheritdoc/>
    public async ValueTask CommitAsync(string name, CancellationToken cancellationToken)
    {
        var key = store.KeyOf(name);
        await AppendAsync(ReadOnlyMemory<byte>.Empty, cancellationToken).ConfigureAwait(false);
        await store.PutAsync(key, _file!, BlobPut.IfAbsent, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _file?.DisposeAsync() ?? ValueTask.CompletedTask;

    private static FileStream Open()
    {
        var path = Path.Combine(Path.GetTempPath(), $"marionette-pack-{Guid.NewGuid():n}");
        var file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.Delete, BufferSize = 0,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        File.Delete(path);
        return file;
    }
}

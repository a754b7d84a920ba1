using System.Collections.Concurrent;
using System.Runtime.CompilerServices;

namespace Marionette.Workspaces.Tests.Support;

/// <summary>A store in memory. <see cref="Before"/> runs before each operation and may wait or throw: that is where tests put turns and faults.</summary>
internal sealed class MemoryBlobStore(TimeProvider clock) : IBlobStore
{
    public ConcurrentDictionary<string, (byte[] Content, DateTimeOffset Written)> Objects { get; } = new(StringComparer.Ordinal);

    public Func<string, string, ValueTask> Before { get; set; } = (_, _) => ValueTask.CompletedTask;

    public long BytesPut;

    public int Count(string prefix) => Objects.Keys.Count(name => name.StartsWith(prefix, StringComparison.Ordinal));

    public async ValueTask<IBlobUpload> BeginAsync(CancellationToken cancellationToken)
    {
        await Before("begin", "");
        return new Upload(this);
    }

    public async ValueTask<bool> PutAsync(string name, ReadOnlyMemory<byte> content, BlobPut how, CancellationToken cancellationToken)
    {
        StoreNames.Check(name);
        await Before("put", name);
        Interlocked.Add(ref BytesPut, content.Length);
        var value = (content.ToArray(), clock.GetUtcNow());
        if (how != BlobPut.Replace)
            return Objects.TryAdd(name, value);
        Objects[name] = value;
        return true;
    }

    public async ValueTask<int> ReadAsync(string name, long offset, Memory<byte> target, CancellationToken cancellationToken)
    {
        await Before("read", name);
        if (!Objects.TryGetValue(name, out var found))
            throw WorkspaceException.Missing($"{name} is not in the store.");
        var part = found.Content.AsSpan((int)Math.Min(offset, found.Content.Length));
        part = part[..Math.Min(part.Length, target.Length)];
        part.CopyTo(target.Span);
        return part.Length;
    }

    public async ValueTask<BlobInfo?> FindAsync(string name, CancellationToken cancellationToken)
    {
        await Before("find", name);
        return Objects.TryGetValue(name, out var found) ? new BlobInfo(name, found.Content.Length, found.Written) : null;
    }

    public async IAsyncEnumerable<BlobInfo> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Before("list", prefix);
        foreach (var (name, value) in Objects.ToArray().OrderBy(pair => pair.Key, StringComparer.Ordinal))
            if (name.StartsWith(prefix, StringComparison.Ordinal))
                yield return new BlobInfo(name, value.Content.Length, value.Written);
    }

    public async ValueTask DeleteAsync(string name, CancellationToken cancellationToken)
    {
        await Before("delete", name);
        Objects.TryRemove(name, out _);
    }

    private sealed class Upload(MemoryBlobStore store) : IBlobUpload
    {
        private readonly MemoryStream _content = new();

        public ValueTask AppendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            _content.Write(bytes.Span);
            return ValueTask.CompletedTask;
        }

        public async ValueTask CommitAsync(string name, CancellationToken cancellationToken) => await store.PutAsync(name, _content.ToArray(), BlobPut.IfAbsent, cancellationToken);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}

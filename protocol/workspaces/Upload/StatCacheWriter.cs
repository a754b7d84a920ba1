using System.IO.Hashing;

namespace Marionette.Workspaces;

/// <summary>Writes a new cache beside the old one and takes its place at the end. What cannot be written costs speed, and nothing else: then there is no cache.</summary>
internal sealed class StatCacheWriter : IDisposable
{
    private readonly string _path, _temporary;
    private readonly Lock _gate = new();
    private readonly XxHash128 _hash = new();
    private readonly FileStream? _file;
    private long _length;
    private bool _isBroken;

    public StatCacheWriter(string path)
    {
        (_path, _temporary) = (path, path + ".new");
        try
        {
            if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder)
                Directory.CreateDirectory(folder);
            File.Delete(_temporary);
            _file = new FileStream(_temporary, new FileStreamOptions
            {
                Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 128 * 1024, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
            _file.Write(new byte[StatCache.HeaderSize]);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            _file = null;
        }
    }

    /// <summary>How many folders were written.</summary>
    public int Sections { get; private set; }

    /// <summary>Begins a folder in a buffer of the caller's.</summary>
    public static void Begin(ByteWriter buffer, UInt128 pathKey, UInt128 fingerprint, bool settled, ChunkRef reference, int count)
    {
        buffer.Clear();
        buffer.Bytes([0, 0, 0, 0]);
        buffer.Fixed(pathKey);
        buffer.Fixed(fingerprint);
        buffer.Byte(settled ? CacheSection.Settled : (byte)0);
        buffer.Reference(reference);
        buffer.Bytes(BitConverter.GetBytes(count));
    }

    public static void Entry(ByteWriter buffer, in EntryStat stat, bool settled, ReadOnlySpan<byte> encoded)
    {
        buffer.Byte(settled ? CacheSection.Settled : (byte)0);
        buffer.Fixed((long)stat.Inode);
        buffer.Fixed((long)stat.Size);
        buffer.Fixed(stat.Modified);
        buffer.Fixed(stat.Changed);
        buffer.Bytes(BitConverter.GetBytes(encoded.Length));
        buffer.Bytes(encoded);
    }

    /// <summary>Writes a folder.</summary>
    public void Add(ReadOnlySpan<byte> section)
    {
        lock (_gate)
        {
            Sections++;
            if (_file is null || _isBroken)
                return;
            Span<byte> length = stackalloc byte[4];
            System.Buffers.Binary.BinaryPrimitives.WriteInt32LittleEndian(length, section.Length);
            _hash.Append(length);
            _hash.Append(section[4..]);
            _length += section.Length;
            try
            {
                _file.Write(length);
                _file.Write(section[4..]);
            }
            catch (IOException)
            {
                _isBroken = true;
            }
        }
    }

    public void Commit(ConvergenceKey key, int flags, ChunkRef root, string snapshot)
    {
        if (_file is null || _isBroken)
            return;
        try
        {
            Span<byte> header = stackalloc byte[StatCache.HeaderSize];
            StatCache.WriteHeader(header, key, flags, Sections, _length, _hash.GetCurrentHashAsUInt128(), root, snapshot);
            _file.Position = 0;
            _file.Write(header);
            _file.Dispose();
            File.Move(_temporary, _path, overwrite: true);
        }
        catch (IOException)
        {
            // No cache then: the next snapshot reads everything.
        }
    }

    public void Dispose()
    {
        if (_file is null)
            return;
        try
        {
            _file.Dispose();
        }
        catch (IOException)
        {
            // What it still held does not fit: it is deleted anyway.
        }

        File.Delete(_temporary);
    }
}

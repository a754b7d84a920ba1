using Microsoft.Win32.SafeHandles;

namespace Marionette.Agent.Spool;

/// <summary>
/// The acknowledged number and the highest one, in one small file that is overwritten in place. A file that does not read right
/// counts as "nothing acknowledged": the server then drops what it has when it comes again.
/// </summary>
internal sealed class SpoolStateFile : IDisposable
{
    private readonly SafeFileHandle handle;

    private SpoolStateFile(SafeFileHandle handle) => this.handle = handle;

    public static SpoolStateFile Open(string path, out long acked, out long highest)
    {
        var handle = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite);
        Span<byte> bytes = stackalloc byte[SpoolFormat.StateSize];
        var read = RandomAccess.Read(handle, bytes, 0);
        SpoolFormat.TryReadState(bytes[..read], out acked, out highest);
        return new SpoolStateFile(handle);
    }

    /// <summary>Best effort: a stale number only makes the server see events again that it knows.</summary>
    public void Write(long acked, long highest)
    {
        Span<byte> bytes = stackalloc byte[SpoolFormat.StateSize];
        SpoolFormat.WriteState(bytes, acked, highest);
        try
        {
            RandomAccess.Write(handle, bytes, 0);
        }
        catch (IOException)
        {
            // A full disk: the next acknowledgement writes again.
        }
    }

    public void Dispose() => handle.Dispose();
}

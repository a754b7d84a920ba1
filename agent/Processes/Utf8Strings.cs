using System.Runtime.InteropServices;
using System.Text;

namespace Marionette.Agent.Processes;

/// <summary>A null-terminated array of C strings in native memory, as argv and envp are.</summary>
internal sealed unsafe class Utf8Strings : IDisposable
{
    private readonly List<nint> strings = [];

    public Utf8Strings(IReadOnlyList<string> values)
    {
        Pointer = (byte**)NativeMemory.AllocZeroed((nuint)(values.Count + 1), (nuint)sizeof(nint));
        for (var i = 0; i < values.Count; i++)
        {
            var size = Encoding.UTF8.GetByteCount(values[i]);
            var text = (byte*)NativeMemory.AllocZeroed((nuint)size + 1);
            Encoding.UTF8.GetBytes(values[i], new Span<byte>(text, size));
            Pointer[i] = text;
            strings.Add((nint)text);
        }
    }

    public byte** Pointer { get; }

    public void Dispose()
    {
        foreach (var text in strings)
            NativeMemory.Free((void*)text);
        strings.Clear();
        NativeMemory.Free(Pointer);
    }
}

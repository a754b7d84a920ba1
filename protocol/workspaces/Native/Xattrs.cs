using System.Text;

namespace Marionette.Workspaces;

/// <summary>Extended attributes of the user; what the system or security modules attach is not ours to keep.</summary>
internal static unsafe class Xattrs
{
    private const int MaxNames = 64 * 1024;

    /// <param name="left">What is not kept, for people; null: nothing.</param>
    public static IReadOnlyList<(byte[] Name, byte[] Value)> Read(int fd, out string? left)
    {
        left = null;
        var size = Libc.ListXattr(fd, null, 0);
        if (size <= 0 || size > MaxNames)
            return [];
        var names = new byte[size];
        fixed (byte* target = names)
            size = Libc.ListXattr(fd, target, (nuint)size);
        var (kept, total) = (new List<(byte[] Name, byte[] Value)>(), 0);
        for (var at = 0; at < size;)
        {
            var end = at + names.AsSpan(at).IndexOf((byte)0);
            var name = names[at..end];
            at = end + 1;
            var value = name.AsSpan().StartsWith("user."u8) ? Value(fd, name) : null;
            if (value is null || (total += name.Length + value.Length) > EntryCodec.MaxAttributes)
                left = (left is null ? "" : left + ", ") + Encoding.UTF8.GetString(name);
            else
                kept.Add((name, value));
        }

        kept.Sort((a, b) => a.Name.AsSpan().SequenceCompareTo(b.Name));
        return kept;
    }

    /// <returns>Null, or what could not be set.</returns>
    public static string? Write(int fd, IReadOnlyList<(byte[] Name, byte[] Value)> attributes)
    {
        string? failed = null;
        foreach (var (name, value) in attributes)
        {
            byte[] terminated = [.. name, 0];
            fixed (byte* path = terminated, bytes = value)
                if (Libc.SetXattr(fd, path, bytes, (nuint)value.Length, 0) != 0)
                    failed = Encoding.UTF8.GetString(name);
        }

        return failed;
    }

    private static byte[]? Value(int fd, byte[] name)
    {
        byte[] terminated = [.. name, 0];
        var value = new byte[EntryCodec.MaxAttributes];
        fixed (byte* path = terminated, target = value)
        {
            var size = Libc.GetXattr(fd, path, target, (nuint)value.Length);
            return size < 0 ? null : value[..(int)size];
        }
    }
}

using System.Runtime.InteropServices;
using System.Text;

namespace Marionette.Workspaces.Tests.Support;

/// <summary>All that an archive keeps of a tree, as lines: names byte by byte, kind, mode, time to the nanosecond, attributes, links, content, and which files are one. One line an entry.</summary>
internal static class TreeState
{
    public static List<string> Of(string folder)
    {
        var (lines, inodes) = (new List<string>(), new Dictionary<ulong, string>());
        var fd = SafeFolder.OpenFolder(Libc.AtCwd, Encoding.UTF8.GetBytes(folder));
        Assert.True(fd >= 0, folder);
        EntryStat.Read(fd, "\0"u8, Libc.AtEmptyPath, out var root);
        lines.Add($". {root.Mode:x} {root.Modified}{Attributes(fd)}");
        Folder(fd, "", lines, inodes);
        Libc.Close(fd);
        return lines;
    }

    public static unsafe void Create(string folder, byte[] name, byte[] content)
    {
        var dir = SafeFolder.OpenFolder(Libc.AtCwd, Encoding.UTF8.GetBytes(folder));
        var fd = SafeFolder.CreateFile(dir, name, ExistingEntries.Refuse, "odd");
        Libc.WriteAll(fd, content, 0, "odd");
        Libc.Close(fd);
        Libc.Close(dir);
    }

    public static unsafe void HardLink(string from, string to)
    {
        fixed (byte* source = Files.Terminated(from), target = Files.Terminated(to))
            Assert.Equal(0, Libc.LinkAt(Libc.AtCwd, source, Libc.AtCwd, target, 0));
    }

    /// <summary>Sets an attribute and a time in nanoseconds.</summary>
    public static unsafe void Mark(string path, long modified, params (string Name, byte[] Value)[] attributes)
    {
        int fd;
        fixed (byte* at = Files.Terminated(path))
            fd = Libc.OpenAt(Libc.AtCwd, at, Libc.ReadOnly, 0);
        Assert.True(fd >= 0, path);
        Assert.Null(Xattrs.Write(fd, [.. attributes.Select(one => (Encoding.UTF8.GetBytes(one.Name), one.Value))]));
        SafeFolder.SetTimes(fd, modified);
        Libc.Close(fd);
    }

    public static void MarkLink(string path, long modified) => SafeFolder.SetLinkTimes(Libc.AtCwd, Encoding.UTF8.GetBytes(path), modified);

    private static void Folder(int dir, string path, List<string> lines, Dictionary<ulong, string> inodes)
    {
        var listing = new FolderListing();
        Assert.Equal(0, listing.Read(dir));
        foreach (var i in listing.Sorted().ToArray())
        {
            var stat = listing[i];
            var name = listing.Name(stat).ToArray();
            var below = path + "/" + Encoding.Latin1.GetString(name);
            if (stat.IsLink)
            {
                lines.Add($"{below} -> {Target(dir, name)} {stat.Modified}");
                continue;
            }

            if (!stat.IsDirectory && !stat.IsFile)
            {
                lines.Add($"{below} kind {stat.Type:x}");
                continue;
            }

            var fd = Open(dir, name);
            lines.Add($"{below} {stat.Type:x} {stat.Mode:x} {stat.Modified}{Attributes(fd)}{(stat.IsFile ? Content(fd, stat, below, inodes) : "")}");
            if (stat.IsDirectory)
                Folder(fd, below, lines, inodes);
            Libc.Close(fd);
        }
    }

    private static string Content(int fd, EntryStat stat, string path, Dictionary<ulong, string> inodes)
    {
        if (stat.Links > 1 && !inodes.TryAdd(stat.Inode, path))
            return $" = {inodes[stat.Inode]}";
        var bytes = new byte[stat.Size];
        Assert.Equal(bytes.Length, Libc.ReadFully(fd, bytes, 0));
        return $" {bytes.Length} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(bytes), 0, 8)}";
    }

    private static string Attributes(int fd) => string.Concat(Xattrs.Read(fd, out _).Select(one => $" {Encoding.Latin1.GetString(one.Name)}={Convert.ToHexString(one.Value)}"));

    private static unsafe string Target(int dir, byte[] name)
    {
        var target = new byte[4096];
        fixed (byte* at = SafeFolder.Terminated(name), to = target)
            return Encoding.Latin1.GetString(target, 0, (int)Libc.ReadLinkAt(dir, at, to, (nuint)target.Length));
    }

    private static unsafe int Open(int dir, byte[] name)
    {
        fixed (byte* at = SafeFolder.Terminated(name))
            return Libc.OpenAt(dir, at, Libc.ReadOnly | Libc.NoFollow, 0) is var fd and >= 0 ? fd : throw Libc.Failure("open", Marshal.GetLastPInvokeError());
    }
}

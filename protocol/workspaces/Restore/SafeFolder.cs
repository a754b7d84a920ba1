using System.Runtime.InteropServices;

namespace Marionette.Workspaces;

/// <summary>Works on entries of an open folder. No step follows a link, so nothing outside can be reached, whoever swaps what meanwhile.</summary>
internal static unsafe class SafeFolder
{
    private const int MaxRemovalDepth = 2 * UploadWork.MaxDepth;

    public static byte[] Terminated(byte[] name) => [.. name, 0];

    /// <returns>A descriptor; negative with the error set.</returns>
    public static int OpenFolder(int dir, byte[] name)
    {
        fixed (byte* path = Terminated(name))
            return Libc.OpenAt(dir, path, Libc.ReadOnly | Libc.Directory | Libc.NoFollow | Libc.CloseOnExec, 0);
    }

    /// <summary>Makes or takes a folder.</summary>
    public static int MakeFolder(int dir, byte[] name, ExistingEntries existing, string path)
    {
        fixed (byte* at = Terminated(name))
        {
            if (Libc.MkdirAt(dir, at, 0x1c0) != 0)
            {
                if (Marshal.GetLastPInvokeError() != Libc.Exists)
                    throw Libc.Failure(path);
                if (existing == ExistingEntries.Refuse)
                    throw InTheWay(path);
                var there = OpenFolder(dir, name);
                if (there >= 0)
                {
                    Libc.Chmod(there, 0x1c0);
                    return there;
                }

                Remove(dir, name, existing, path);
                if (Libc.MkdirAt(dir, at, 0x1c0) != 0)
                    throw Libc.Failure(path);
            }
        }

        return OpenFolder(dir, name) is var fd and >= 0 ? fd : throw Libc.Failure(path);
    }

    public static int CreateFile(int dir, byte[] name, ExistingEntries existing, string path)
    {
        fixed (byte* at = Terminated(name))
        {
            for (var again = false; ; again = true)
            {
                var fd = Libc.OpenAt(dir, at, Libc.WriteOnly | Libc.Create | Libc.Exclusive | Libc.NoFollow | Libc.CloseOnExec, 0x180);
                if (fd >= 0)
                    return fd;
                ClearWay(dir, name, existing, path, again);
            }
        }
    }

    public static void CreateLink(int dir, byte[] name, byte[] target, ExistingEntries existing, string path)
    {
        fixed (byte* at = Terminated(name), to = Terminated(target))
            for (var again = false; Libc.SymlinkAt(to, dir, at) != 0; again = true)
                ClearWay(dir, name, existing, path, again);
    }

    /// <summary>A second name for a file whose first one lies below the root.</summary>
    /// <returns>False when that did not work; then the file is to be written once more.</returns>
    public static bool TryHardLink(int root, byte[] first, int dir, byte[] name, ExistingEntries existing, string path)
    {
        var from = OpenParent(root, first, out var last);
        if (from < 0)
            return false;
        try
        {
            fixed (byte* source = Terminated(last), target = Terminated(name))
            {
                for (var again = false; Libc.LinkAt(from, source, dir, target, 0) != 0; again = true)
                {
                    if (Marshal.GetLastPInvokeError() != Libc.Exists)
                        return false;
                    ClearWay(dir, name, existing, path, again);
                }
            }

            return true;
        }
        finally
        {
            if (from != root)
                Libc.Close(from);
        }
    }

    public static void SetTimes(int fd, long modified)
    {
        var times = stackalloc long[4];
        (times[0], times[1]) = Split(modified);
        (times[2], times[3]) = Split(modified);
        Libc.Utimens(fd, times);
    }

    public static void SetLinkTimes(int dir, byte[] name, long modified)
    {
        var times = stackalloc long[4];
        (times[0], times[1]) = Split(modified);
        (times[2], times[3]) = Split(modified);
        fixed (byte* path = Terminated(name))
            Libc.UtimensAt(dir, path, times, Libc.AtSymlinkNoFollow);
    }

    public static bool SetOwner(int dir, byte[] name, (uint User, uint Group) owner)
    {
        fixed (byte* path = Terminated(name))
            return Libc.ChownAt(dir, path, owner.User, owner.Group, name.Length == 0 ? Libc.AtEmptyPath : Libc.AtSymlinkNoFollow) == 0;
    }

    /// <summary>Removes what has a name, with all that is below it.</summary>
    public static void RemoveTree(int dir, byte[] name, string path, int depth = 0)
    {
        fixed (byte* at = Terminated(name))
        {
            if (Libc.UnlinkAt(dir, at, 0) == 0 || Marshal.GetLastPInvokeError() == Libc.NoEntry)
                return;
            if (Marshal.GetLastPInvokeError() is not (Libc.IsDirectory or 1) || depth > MaxRemovalDepth)
                throw Libc.Failure(path);
            var fd = OpenFolder(dir, name);
            if (fd < 0)
                throw Libc.Failure(path);
            try
            {
                // Of a folder that may not be written in (a package cache's) its owner can still take entries away: once it may.
                Libc.Chmod(fd, 0x1c0);
                var listing = new FolderListing();
                listing.Read(fd);
                for (var i = 0; i < listing.Count; i++)
                    RemoveTree(fd, listing.Name(listing[i]).ToArray(), path, depth + 1);
            }
            finally
            {
                Libc.Close(fd);
            }

            if (Libc.UnlinkAt(dir, at, Libc.AtRemoveDir) != 0)
                throw Libc.Failure(path);
        }
    }

    private static (long Seconds, long Nanoseconds) Split(long time)
    {
        var (seconds, rest) = Math.DivRem(time, 1_000_000_000);
        return rest < 0 ? (seconds - 1, rest + 1_000_000_000) : (seconds, rest);
    }

    private static void ClearWay(int dir, byte[] name, ExistingEntries existing, string path, bool again)
    {
        if (Marshal.GetLastPInvokeError() != Libc.Exists || again)
            throw Libc.Failure(path);
        if (existing == ExistingEntries.Refuse)
            throw InTheWay(path);
        Remove(dir, name, existing, path);
    }

    private static void Remove(int dir, byte[] name, ExistingEntries existing, string path)
    {
        if (existing == ExistingEntries.Mirror)
        {
            RemoveTree(dir, name, path);
            return;
        }

        fixed (byte* at = Terminated(name))
            if (Libc.UnlinkAt(dir, at, 0) != 0 && Marshal.GetLastPInvokeError() != Libc.NoEntry)
                throw Libc.Failure(path);
    }

    private static WorkspaceException InTheWay(string path) => new(WorkspaceFault.Invalid, $"'{path}' is there already.");

    private static int OpenParent(int root, byte[] path, out byte[] last)
    {
        var dir = root;
        while (path.AsSpan().IndexOf((byte)'/') is var slash and >= 0)
        {
            var next = OpenFolder(dir, path[..slash]);
            if (dir != root)
                Libc.Close(dir);
            if (next < 0)
            {
                last = [];
                return -1;
            }

            (dir, path) = (next, path[(slash + 1)..]);
        }

        last = path;
        return dir;
    }
}

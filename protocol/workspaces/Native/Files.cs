using System.Runtime.InteropServices;
using System.Text;

namespace Marionette.Workspaces;

/// <summary>What the base library does not do with files by name.</summary>
internal static unsafe class Files
{
    /// <summary>A path as the kernel takes it.</summary>
    public static byte[] Terminated(string path) => Encoding.UTF8.GetBytes(path + "\0");

    /// <returns>False when there is a file of the new name that was not to be replaced; the old one then stays.</returns>
    public static bool Rename(string from, string to, bool replace)
    {
        fixed (byte* source = Terminated(from), target = Terminated(to))
        {
            if (Libc.RenameAt2(Libc.AtCwd, source, Libc.AtCwd, target, replace ? 0 : Libc.RenameNoReplace) == 0)
                return true;
            var error = Marshal.GetLastPInvokeError();
            if (!replace && error is Libc.InvalidArgument or Libc.NoSystemCall)
            {
                // A file system that knows no such rename: a hard link replaces nothing either.
                if (Libc.LinkAt(Libc.AtCwd, source, Libc.AtCwd, target, 0) == 0)
                {
                    Libc.UnlinkAt(Libc.AtCwd, source, 0);
                    return true;
                }

                error = Marshal.GetLastPInvokeError();
            }

            return !replace && error == Libc.Exists ? false : throw new IOException(Marshal.GetPInvokeErrorMessage(error));
        }
    }

    /// <summary>Makes the names in a folder survive a power cut.</summary>
    public static void SyncFolder(string folder)
    {
        fixed (byte* path = Terminated(folder))
        {
            var fd = Libc.OpenAt(Libc.AtCwd, path, Libc.ReadOnly | Libc.Directory | Libc.CloseOnExec, 0);
            if (fd < 0)
                throw new IOException(Marshal.GetLastPInvokeErrorMessage());
            var result = Libc.Sync(fd);
            var error = Marshal.GetLastPInvokeError();
            Libc.Close(fd);
            if (result != 0 && error != Libc.InvalidArgument)
                throw new IOException(Marshal.GetPInvokeErrorMessage(error));
        }
    }
}

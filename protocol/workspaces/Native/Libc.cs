using System.Runtime.InteropServices;

namespace Marionette.Workspaces;

/// <summary>System calls that work on folders by descriptor and never follow a link by surprise. The numbers are the same on x64 and arm64 unless said.</summary>
internal static unsafe partial class Libc
{
    public const int AtCwd = -100, AtSymlinkNoFollow = 0x100, AtRemoveDir = 0x200, AtEmptyPath = 0x1000, AtNoAutomount = 0x800;
    public const int ReadOnly = 0, WriteOnly = 1, Create = 0x40, Exclusive = 0x80, NonBlock = 0x800, CloseOnExec = 0x80000;
    public const int NoEntry = 2, Interrupted = 4, NoDevice = 6, Exists = 17, NotDirectory = 20, IsDirectory = 21, NotEmpty = 39, Loop = 40, NotSupported = 95, AccessDenied = 13, InvalidArgument = 22, NoSystemCall = 38;
    public const int SeekData = 3, SeekHole = 4;
    public const uint StatxBasic = 0x7ff, StatxBirth = 0x800;
    public const uint TypeMask = 0xf000, TypeFile = 0x8000, TypeDirectory = 0x4000, TypeLink = 0xa000, TypeSocket = 0xc000, TypeFifo = 0x1000;
    public const uint RenameNoReplace = 1;

    private const int RealtimeCoarse = 5, Realtime = 0;

    /// <summary>O_DIRECTORY and O_NOFOLLOW are two of the few numbers that arm64 has otherwise.</summary>
    public static readonly int Directory = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x4000 : 0x10000;

    /// <inheritdoc cref="Directory"/>
    public static readonly int NoFollow = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x8000 : 0x20000;

    /// <summary>The clock that file systems stamp files with, in nanoseconds since 1970: up to a tick behind.</summary>
    public static long FileClock()
    {
        var time = stackalloc long[2];
        return ClockGetTime(RealtimeCoarse, time) == 0 || ClockGetTime(Realtime, time) == 0 ? (time[0] * 1_000_000_000) + time[1] : 0;
    }

    public static WorkspaceException Failure(string what, int error) => new(WorkspaceFault.Io, $"{what}: {Marshal.GetPInvokeErrorMessage(error)}");

    public static WorkspaceException Failure(string what) => Failure(what, Marshal.GetLastPInvokeError());

    /// <summary>What was written is synced before or checked later: a late error here has nothing to tell.</summary>
    public static void Close(int fd) => _ = CloseDescriptor(fd);

    /// <summary>Writes all of it at an offset.</summary>
    public static void WriteAll(int fd, ReadOnlySpan<byte> bytes, long offset, string what)
    {
        fixed (byte* start = bytes)
        {
            for (nint done = 0; done < bytes.Length;)
            {
                var count = PWrite(fd, start + done, (nuint)(bytes.Length - done), offset + done);
                if (count > 0)
                    done += count;
                else if (Marshal.GetLastPInvokeError() != Interrupted)
                    throw Failure(what);
            }
        }
    }

    /// <summary>Reads at an offset until the target is full or the file ends; -1 with the error set.</summary>
    public static int ReadFully(int fd, Span<byte> target, long offset)
    {
        var done = 0;
        fixed (byte* start = target)
        {
            while (done < target.Length)
            {
                var count = PRead(fd, start + done, (nuint)(target.Length - done), offset + done);
                if (count == 0)
                    break;
                if (count > 0)
                    done += (int)count;
                else if (Marshal.GetLastPInvokeError() != Interrupted)
                    return -1;
            }
        }

        return done;
    }

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true)]
    public static partial int OpenAt(int dir, byte* path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int CloseDescriptor(int fd);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true)]
    public static partial int Statx(int dir, byte* path, int flags, uint mask, Statx* result);

    [LibraryImport("libc", EntryPoint = "getdents64", SetLastError = true)]
    public static partial nint GetDents(int fd, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "pread", SetLastError = true)]
    public static partial nint PRead(int fd, byte* buffer, nuint size, long offset);

    [LibraryImport("libc", EntryPoint = "pwrite", SetLastError = true)]
    public static partial nint PWrite(int fd, byte* buffer, nuint size, long offset);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    public static partial long Seek(int fd, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
    public static partial int Truncate(int fd, long length);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    public static partial int Sync(int fd);

    [LibraryImport("libc", EntryPoint = "mkdirat", SetLastError = true)]
    public static partial int MkdirAt(int dir, byte* path, uint mode);

    [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true)]
    public static partial int UnlinkAt(int dir, byte* path, int flags);

    [LibraryImport("libc", EntryPoint = "symlinkat", SetLastError = true)]
    public static partial int SymlinkAt(byte* target, int dir, byte* path);

    [LibraryImport("libc", EntryPoint = "readlinkat", SetLastError = true)]
    public static partial nint ReadLinkAt(int dir, byte* path, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "linkat", SetLastError = true)]
    public static partial int LinkAt(int fromDir, byte* from, int toDir, byte* to, int flags);

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true)]
    public static partial int RenameAt2(int fromDir, byte* from, int toDir, byte* to, uint flags);

    [LibraryImport("libc", EntryPoint = "fchmod", SetLastError = true)]
    public static partial int Chmod(int fd, uint mode);

    [LibraryImport("libc", EntryPoint = "fchownat", SetLastError = true)]
    public static partial int ChownAt(int dir, byte* path, uint user, uint group, int flags);

    /// <param name="times">Access and modification time: seconds, nanoseconds each.</param>
    [LibraryImport("libc", EntryPoint = "utimensat", SetLastError = true)]
    public static partial int UtimensAt(int dir, byte* path, long* times, int flags);

    [LibraryImport("libc", EntryPoint = "futimens", SetLastError = true)]
    public static partial int Utimens(int fd, long* times);

    [LibraryImport("libc", EntryPoint = "flistxattr", SetLastError = true)]
    public static partial nint ListXattr(int fd, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "fgetxattr", SetLastError = true)]
    public static partial nint GetXattr(int fd, byte* name, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "fsetxattr", SetLastError = true)]
    public static partial int SetXattr(int fd, byte* name, byte* value, nuint size, int flags);

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int ClockGetTime(int clock, long* time);
}

/// <summary>The kernel's own structure: the same on every architecture.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Statx
{
    public uint Mask, BlockSize;
    public ulong Attributes;
    public uint Links, User, Group;
    public ushort Mode, Pad;
    public ulong Inode, Size, Blocks, AttributesMask;
    public Stamp Accessed, Born, Changed, Modified;
    public uint DeviceOfMajor, DeviceOfMinor, DeviceMajor, DeviceMinor;
    public ulong Mount;
    public ulong R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10, R11, R12;
}

/// <summary>A moment as statx tells it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Stamp
{
    public long Seconds;
    public uint Nanoseconds, Pad;

    public readonly long Total => unchecked((Seconds * 1_000_000_000) + Nanoseconds);
}

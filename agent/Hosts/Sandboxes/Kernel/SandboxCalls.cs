using System.Runtime.InteropServices;
using Marionette.Agent.Egress.Namespaces;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>The system calls of mounts, namespaces and users.</summary>
internal static unsafe partial class SandboxCalls
{
    public const int NewMountNamespace = 0x00020000;

    public const ulong ReadOnly = 1, NoSetUid = 2, NoDevices = 4, Remount = 32, Bind = 4096, Recursive = 16384;
    public const ulong Private = 1 << 18, Slave = 1 << 19;

    private const int ResourceCore = 4;
    private const int LongestPath = 4096;

    /// <exception cref="IOException">The kernel refused.</exception>
    public static void Mount(string? source, string target, string? type, ulong flags, string? data = null)
    {
        if (MountCall(source, target, type, flags, data) != 0)
            throw NetCalls.Failure($"mount {target}");
    }

    /// <exception cref="IOException">The kernel refused.</exception>
    public static void Owner(string path, int user)
    {
        if (ChangeOwner(path, (uint)user, (uint)user) != 0)
            throw NetCalls.Failure($"chown {path}");
    }

    /// <summary>Makes this process the user's, its groups included, for good.</summary>
    /// <exception cref="IOException">It is not.</exception>
    public static void BecomeUser(int user)
    {
        var id = (uint)user;
        if (SetGroups(0, null) != 0 || SetGroup(id, id, id) != 0 || SetUser(id, id, id) != 0)
            throw NetCalls.Failure("become the runner's user");
    }

    /// <summary>No core files: they would hold what the memory held.</summary>
    public static void NoCores()
    {
        var limits = stackalloc ulong[2];
        limits[0] = limits[1] = 0;
        _ = SetLimit(ResourceCore, limits);
    }

    /// <summary>The path of something that is there, absolute and without links.</summary>
    /// <exception cref="IOException">It is not there.</exception>
    public static string RealPath(string path)
    {
        var resolved = stackalloc byte[LongestPath];
        return Resolve(path, resolved) != 0 ? Marshal.PtrToStringUTF8((nint)resolved)! : throw NetCalls.Failure(path);
    }

    [LibraryImport("libc", EntryPoint = "unshare", SetLastError = true)]
    public static partial int Unshare(int flags);

    [LibraryImport("libc", EntryPoint = "rmdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int RemoveFolder(string path);

    [LibraryImport("libc", EntryPoint = "dup2", SetLastError = true)]
    public static partial int Duplicate(int descriptor, int target);

    [LibraryImport("libc", EntryPoint = "mount", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MountCall(string? source, string target, string? type, nuint flags, string? data);

    private static int MountCall(string? source, string target, string? type, ulong flags, string? data) =>
        MountCall(source, target, type, (nuint)flags, data);

    [LibraryImport("libc", EntryPoint = "realpath", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint Resolve(string path, byte* resolved);

    [LibraryImport("libc", EntryPoint = "lchown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ChangeOwner(string path, uint user, uint group);

    [LibraryImport("libc", EntryPoint = "setgroups", SetLastError = true)]
    private static partial int SetGroups(nuint count, uint* groups);

    [LibraryImport("libc", EntryPoint = "setresuid", SetLastError = true)]
    private static partial int SetUser(uint real, uint effective, uint saved);

    [LibraryImport("libc", EntryPoint = "setresgid", SetLastError = true)]
    private static partial int SetGroup(uint real, uint effective, uint saved);

    [LibraryImport("libc", EntryPoint = "setrlimit", SetLastError = true)]
    private static partial int SetLimit(int resource, ulong* limits);
}

using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Marionette.Agent.Egress.Namespaces;

/// <summary>The system calls of namespaces and of sockets that the base library has not.</summary>
internal static unsafe partial class NetCalls
{
    public const int NewNetworkNamespace = 0x40000000;
    public const int CloseOnExec = 0x80000;
    public const int FamilyV4 = 2;
    public const int FamilyV6 = 10;
    public const int FamilyNetlink = 16;
    public const int FamilyPacket = 17;
    public const int TypeDatagram = 2;
    public const int TypeRaw = 3;
    public const int SocketLevel = 1;
    public const int AttachFilter = 26;
    private const int LimitOpenFiles = 7;

    /// <summary>The last call's failure, to be thrown.</summary>
    public static IOException Failure(string call)
    {
        var error = Marshal.GetLastPInvokeError();
        return new IOException($"{call}: {Marshal.GetPInvokeErrorMessage(error)}", new Win32Exception(error));
    }

    /// <summary>Raises the number of files that this process may have open as far as it may go.</summary>
    /// <returns>That number.</returns>
    public static long RaiseOpenFiles()
    {
        var limits = stackalloc ulong[2];
        if (GetLimit(LimitOpenFiles, limits) != 0)
            return 1024;
        limits[0] = limits[1];
        _ = SetLimit(LimitOpenFiles, limits);
        return GetLimit(LimitOpenFiles, limits) == 0 ? (long)Math.Min(limits[0], int.MaxValue) : 1024;
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "unshare", SetLastError = true)]
    public static partial int Unshare(int flags);

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    public static partial int SetNamespace(int descriptor, int kind);

    [LibraryImport("libc", EntryPoint = "if_nametoindex", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial uint LinkIndex(string name);

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    public static partial int OpenSocket(int family, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "bind", SetLastError = true)]
    public static partial int Bind(int descriptor, byte* address, uint length);

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    public static partial nint Send(int descriptor, byte* bytes, nuint count, int flags);

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    public static partial nint Receive(int descriptor, byte* bytes, nuint count, int flags);

    [LibraryImport("libc", EntryPoint = "recvmsg", SetLastError = true)]
    public static partial nint ReceiveMessage(SafeHandle socket, Message* message, int flags);

    [LibraryImport("libc", EntryPoint = "setsockopt", SetLastError = true)]
    public static partial int SetOption(int descriptor, int level, int name, void* value, uint length);

    [LibraryImport("libc", EntryPoint = "getrlimit", SetLastError = true)]
    private static partial int GetLimit(int resource, ulong* limits);

    [LibraryImport("libc", EntryPoint = "setrlimit", SetLastError = true)]
    private static partial int SetLimit(int resource, ulong* limits);

    /// <summary>The kernel's <c>msghdr</c> of 64-bit machines.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Message
    {
        public byte* Name;
        public uint NameLength;
        public Part* Parts;
        public nuint PartCount;
        public byte* Control;
        public nuint ControlLength;
        public int Flags;
    }

    /// <summary>The kernel's <c>iovec</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Part
    {
        public byte* Start;
        public nuint Length;
    }
}

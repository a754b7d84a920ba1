using System.Runtime.ExceptionServices;
using Microsoft.Win32.SafeHandles;

namespace Marionette.Agent.Egress.Namespaces;

/// <summary>
/// A network namespace, held by a descriptor. Work in it is done by threads of its own: a thread that went into another namespace
/// must never serve anybody else, and threads that it starts would be born there. Such work therefore makes system calls alone,
/// nothing that could wake the thread pool, and its thread ends with it.
/// </summary>
internal sealed class NetNamespace : IDisposable
{
    private const string OfThread = "/proc/thread-self/ns/net";
    private const int StackSize = 256 * 1024;

    private static readonly NetNamespace Home = Open("/proc/self/ns/net");

    // Counted: who is about to enter keeps it from being closed, and its number from going to another namespace.
    private readonly SafeFileHandle handle;

    private NetNamespace(SafeFileHandle handle)
    {
        this.handle = handle;
        Identity = IdentityOf($"/proc/self/fd/{Descriptor}") ?? throw new IOException("cannot read the namespace's identity");
    }

    /// <summary>What the kernel calls it, <c>net:[…]</c>; another namespace may get it once this one is gone.</summary>
    public string Identity { get; }

    public int Descriptor => (int)handle.DangerousGetHandle();

    /// <summary>The namespace of netd itself.</summary>
    public static string HomeIdentity => Home.Identity;

    /// <summary>Holds a namespace by its path.</summary>
    /// <exception cref="IOException">There is none, or it is not ours to open.</exception>
    public static NetNamespace Open(string path)
    {
        var descriptor = NetCalls.Open(path, NetCalls.CloseOnExec);
        if (descriptor < 0)
            throw NetCalls.Failure(path);
        var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        try
        {
            return new NetNamespace(handle);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>The identity of the namespace at a path; null when it cannot be seen.</summary>
    public static string? IdentityOf(string path)
    {
        try
        {
            return new FileInfo(path).LinkTarget;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Makes a new namespace and does its first work in it.</summary>
    /// <exception cref="IOException">The kernel refused.</exception>
    public static NetNamespace Create(Action first) => OnOwnThread(() =>
    {
        if (NetCalls.Unshare(NetCalls.NewNetworkNamespace) != 0)
            throw NetCalls.Failure("unshare");
        var made = Open(OfThread);
        try
        {
            first();
            return made;
        }
        catch
        {
            made.Dispose();
            throw;
        }
    });

    /// <summary>Does work in this namespace; blocks until it is done.</summary>
    public T Run<T>(Func<T> work) => OnOwnThread(() =>
    {
        Enter(handle);
        return work();
    });

    /// <summary>Does work in this namespace; blocks until it is done.</summary>
    public void Run(Action work) => Run(() =>
    {
        work();
        return true;
    });

    /// <summary>
    /// Makes sure that this thread is in netd's own namespace, to be called before a socket to the outside is made. It always
    /// should be; a thread that the runtime started at a bad moment would otherwise reach the wrong network for ever.
    /// </summary>
    public static void StayHome() => Enter(Home.handle);

    public void Dispose() => handle.Dispose();

    private static void Enter(SafeFileHandle handle)
    {
        var isHeld = false;
        try
        {
            handle.DangerousAddRef(ref isHeld);
            if (NetCalls.SetNamespace((int)handle.DangerousGetHandle(), NetCalls.NewNetworkNamespace) != 0)
                throw NetCalls.Failure("setns");
        }
        catch (ObjectDisposedException exception)
        {
            throw new IOException("the namespace is gone", exception);
        }
        finally
        {
            if (isHeld)
                handle.DangerousRelease();
        }
    }

    private static T OnOwnThread<T>(Func<T> work)
    {
        var result = default(T)!;
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(
            () =>
            {
                try
                {
                    result = work();
                }
                catch (Exception exception)
                {
                    failure = ExceptionDispatchInfo.Capture(exception);
                }
            },
            StackSize) { IsBackground = true, Name = "namespace" };
        thread.Start();
        thread.Join();
        failure?.Throw();
        return result;
    }
}

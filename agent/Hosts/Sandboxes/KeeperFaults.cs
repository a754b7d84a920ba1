using System.ComponentModel;
using System.Text.RegularExpressions;
using Marionette.Protocol.Hosts.V1;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>What a failure on the machine means for whoever gave the order: want of room is told apart from what passes.</summary>
internal static partial class KeeperFaults
{
    // errno of Linux: no space left on device, disk quota exceeded. The kernel says the first of used-up namespaces as well.
    private const int NoSpace = 28, OverQuota = 122;

    /// <summary>The fault of a result.</summary>
    public static HostFault Of(Exception exception) => exception as HostFault
        ?? new HostFault(IsWantOfRoom(exception) ? FaultKind.Capacity : FaultKind.Unavailable, exception.Message, exception);

    // What programs and first processes of sandboxes say comes as words.
    private static bool IsWantOfRoom(Exception exception) => exception.HResult is NoSpace or OverQuota
        || exception.InnerException is Win32Exception { NativeErrorCode: NoSpace or OverQuota }
        || SandboxEnding.SaysFull(exception.Message) || NoLoopDevice().IsMatch(exception.Message);

    // mount(8), losetup(8)
    [GeneratedRegex(
        "failed to set ?up loop device|could not find any free loop device|no free loop device", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex NoLoopDevice();
}

using System.Runtime.InteropServices;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>Numbers of system calls on one kind of processor.</summary>
/// <param name="Audit">The kernel's name of the processor (AUDIT_ARCH_…).</param>
/// <param name="Denied">Calls that no agent and no build needs, and that have been ways out of sandboxes.</param>
internal sealed record SyscallTable(
    uint Audit, uint CloneCall, uint Clone3, uint Unshare, uint Ioctl, uint Socket, uint Ptrace, IReadOnlyDictionary<string, uint> Denied)
{
    // From 424 on the numbers are the same everywhere.
    private static readonly Dictionary<string, uint> Common = new()
    {
        ["io_uring_setup"] = 425, ["io_uring_enter"] = 426, ["io_uring_register"] = 427, ["open_tree"] = 428, ["move_mount"] = 429,
        ["fsopen"] = 430, ["fsconfig"] = 431, ["fsmount"] = 432, ["fspick"] = 433, ["pidfd_getfd"] = 438, ["process_madvise"] = 440,
        ["mount_setattr"] = 442, ["quotactl_fd"] = 443, ["process_mrelease"] = 448, ["statmount"] = 457, ["listmount"] = 458,
        ["open_tree_attr"] = 467,
    };

    public static readonly SyscallTable X64 = new(0xc000003e, 56, 435, 272, 16, 41, 101, new Dictionary<string, uint>(Common)
    {
        ["uselib"] = 134, ["ustat"] = 136, ["sysfs"] = 139, ["pivot_root"] = 155, ["_sysctl"] = 156, ["adjtimex"] = 159, ["chroot"] = 161,
        ["acct"] = 163, ["settimeofday"] = 164, ["mount"] = 165, ["umount2"] = 166, ["swapon"] = 167, ["swapoff"] = 168, ["reboot"] = 169,
        ["sethostname"] = 170, ["setdomainname"] = 171, ["iopl"] = 172, ["ioperm"] = 173, ["create_module"] = 174, ["init_module"] = 175,
        ["delete_module"] = 176, ["get_kernel_syms"] = 177, ["query_module"] = 178, ["quotactl"] = 179, ["nfsservctl"] = 180,
        ["lookup_dcookie"] = 212, ["syslog"] = 103, ["modify_ldt"] = 154, ["vhangup"] = 153, ["clock_settime"] = 227, ["kexec_load"] = 246,
        ["add_key"] = 248, ["request_key"] = 249, ["keyctl"] = 250, ["migrate_pages"] = 256, ["move_pages"] = 279,
        ["perf_event_open"] = 298, ["fanotify_init"] = 300, ["name_to_handle_at"] = 303, ["open_by_handle_at"] = 304,
        ["clock_adjtime"] = 305, ["setns"] = 308, ["process_vm_readv"] = 310, ["process_vm_writev"] = 311, ["kcmp"] = 312,
        ["finit_module"] = 313, ["kexec_file_load"] = 320, ["bpf"] = 321, ["userfaultfd"] = 323,
    });

    public static readonly SyscallTable Arm64 = new(0xc00000b7, 220, 435, 97, 29, 198, 117, new Dictionary<string, uint>(Common)
    {
        ["lookup_dcookie"] = 18, ["umount2"] = 39, ["mount"] = 40, ["pivot_root"] = 41, ["nfsservctl"] = 42, ["chroot"] = 51, ["vhangup"] = 58,
        ["quotactl"] = 60, ["acct"] = 89, ["kexec_load"] = 104, ["init_module"] = 105, ["delete_module"] = 106, ["clock_settime"] = 112,
        ["syslog"] = 116, ["reboot"] = 142, ["sethostname"] = 161, ["setdomainname"] = 162, ["settimeofday"] = 170, ["adjtimex"] = 171,
        ["add_key"] = 217, ["request_key"] = 218, ["keyctl"] = 219, ["swapon"] = 224, ["swapoff"] = 225, ["migrate_pages"] = 238,
        ["move_pages"] = 239, ["perf_event_open"] = 241, ["fanotify_init"] = 262, ["name_to_handle_at"] = 264, ["open_by_handle_at"] = 265,
        ["clock_adjtime"] = 266, ["setns"] = 268, ["process_vm_readv"] = 270, ["process_vm_writev"] = 271, ["kcmp"] = 272,
        ["finit_module"] = 273, ["bpf"] = 280, ["userfaultfd"] = 282, ["kexec_file_load"] = 294,
    });

    /// <summary>That of this machine.</summary>
    /// <exception cref="PlatformNotSupportedException">There is none: no sandbox that needs one.</exception>
    public static SyscallTable OfThisMachine => RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => X64,
        Architecture.Arm64 => Arm64,
        var other => throw new PlatformNotSupportedException($"no table of system calls for {other}"),
    };
}

using System.Globalization;
using Marionette.Agent.Egress.Namespaces;
using Marionette.Agent.Processes;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>
/// The step between a sandbox's first process and bwrap or runsc: it goes into the control groups, where all that it starts will be, becomes the
/// runner's user, and then becomes the program.
/// </summary>
internal static unsafe class SandboxChild
{
    /// <summary>First argument that selects this mode: <c>sandbox-child USER FILTER_FILE GROUP[:GROUP…] PROGRAM [ARGUMENT…]</c>.</summary>
    public const string Verb = "sandbox-child";

    private const int Prefix = 4;
    private const int FirstFree = 3;

    /// <summary>The whole command line for a plan.</summary>
    public static IReadOnlyList<string> Command(SandboxPlan plan)
    {
        var isBwrap = plan.Kind == SandboxKinds.Bwrap;
        // runsc has to begin as root; its sandbox becomes the user by itself.
        var user = (isBwrap ? plan.User : 0).ToString(CultureInfo.InvariantCulture);
        return
        [
            plan.View + "/bin/" + Path.GetFileName(InsidePaths.Agent), Verb, user, isBwrap ? plan.View + "/seccomp" : "-",
            string.Join(':', plan.Cgroups), .. isBwrap ? BwrapCommand.For(plan) : RunscBundle.Run(plan),
        ];
    }

    /// <summary>Turns this process into the program. Returns only when that failed.</summary>
    public static int Run(string[] arguments)
    {
        try
        {
            if (arguments.Length <= Prefix || !int.TryParse(arguments[1], NumberStyles.None, CultureInfo.InvariantCulture, out var user))
                throw new IOException("usage: sandbox-child USER FILTER_FILE GROUPS PROGRAM [ARGUMENT...]");
            foreach (var group in arguments[3].Split(':', StringSplitOptions.RemoveEmptyEntries))
                File.WriteAllText(Path.Combine(group, Cgroup.Members), "0");
            SandboxCalls.NoCores();
            _ = Libc.SystemCall(Libc.CloseRange, FirstFree, unchecked((nint)uint.MaxValue), Libc.CloseRangeOnExec);
            if (arguments[2] != "-")
                Offer(arguments[2]);
            if (user != 0)
                SandboxCalls.BecomeUser(user);
            _ = Libc.SetSignal(Libc.SigPipe, 0);
            using var program = new Utf8Strings(arguments[Prefix..]);
            _ = Libc.Execute(program.Pointer[0], program.Pointer);
            throw NetCalls.Failure(arguments[Prefix]);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine(SandboxInit.Trouble + exception.Message);
            return ChildLauncher.CannotStart;
        }
    }

    private static void Offer(string file)
    {
        var filter = NetCalls.Open(file, NetCalls.CloseOnExec);
        // Duplicated onto itself it would be closed when the program begins.
        if (filter == BwrapCommand.FilterDescriptor)
            filter = NetCalls.Open(file, NetCalls.CloseOnExec);
        if (filter < 0 || SandboxCalls.Duplicate(filter, BwrapCommand.FilterDescriptor) < 0)
            throw NetCalls.Failure(file);
    }
}

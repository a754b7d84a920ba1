namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>Kinds of sandboxes, strongest first.</summary>
internal static class SandboxKinds
{
    public const string Runsc = "runsc", Bwrap = "bwrap";

    public static readonly IReadOnlyList<string> All = [Runsc, Bwrap];
}

/// <summary>The command line of bubblewrap. It is started as the runner's user: even its own faults have no more rights than that.</summary>
internal static class BwrapCommand
{
    /// <summary>Descriptor on which it finds the filter of system calls.</summary>
    public const int FilterDescriptor = 9;

    public static IReadOnlyList<string> For(SandboxPlan plan)
    {
        var user = InsidePaths.User.ToString(System.Globalization.CultureInfo.InvariantCulture);
        List<string> arguments =
        [
            // The network namespace is the one that it is started in: it belongs to the machine's root, so nobody inside has rights over it.
            plan.Program, "--unshare-user", "--unshare-all", "--share-net", "--disable-userns", "--uid", user, "--gid", user,
            "--hostname", plan.Name, "--new-session", "--as-pid-1", "--cap-drop", "ALL",
            "--bind", plan.View + "/root", "/", "--proc", "/proc", "--dev", "/dev", "--chdir", InsidePaths.Workspace, "--clearenv",
        ];
        foreach (var (name, value) in InsidePaths.Environment)
            arguments.AddRange(["--setenv", name, value]);
        return [.. arguments, "--seccomp", FilterDescriptor.ToString(System.Globalization.CultureInfo.InvariantCulture), "--", .. plan.Arguments];
    }
}

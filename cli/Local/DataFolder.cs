namespace Marionette.Cli.Local;

/// <summary>Where stacks of this machine keep their data.</summary>
internal static class DataFolder
{
    /// <summary>The stack that is meant when none is named.</summary>
    public static string Default(CliContext context) => Path.Combine(Root(context), "default");

    /// <summary>The demo's own stack, apart from everything else.</summary>
    public static string Demo(CliContext context) => Path.Combine(Root(context), "demo");

    public static string EndpointsFile(string folder) => Path.Combine(folder, "endpoints.json");

    // A server of root's is a service of the machine; anybody else's is that user's.
    private static string Root(CliContext context) => Environment.IsPrivilegedProcess
        ? "/var/lib/marionette"
        : Path.Combine(context.Variable("XDG_DATA_HOME") ?? Path.Combine(context.Variable("HOME") ?? "/", ".local", "share"), "marionette");
}

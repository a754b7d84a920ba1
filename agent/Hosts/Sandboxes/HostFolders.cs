using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Marionette.Protocol.Hosts.V1;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>Where a host keeps what belongs to its runners.</summary>
internal sealed partial class HostFolders
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    // A folder that every machine has and that no sandbox needs anything in.
    private static readonly string[] Views = ["/mnt", "/media", "/srv", "/tmp"];

    public HostFolders(string state)
    {
        Directory.CreateDirectory(state, OwnerOnly);
        // Without links on the way: the kernel names files so, and names are compared with the kernel's.
        State = SandboxCalls.RealPath(state);
        foreach (var folder in new[] { Runners, Workspaces, Path.Combine(State, "bin"), Runsc, Gone })
            Directory.CreateDirectory(folder, OwnerOnly);
        // Two daemons on one machine keep apart what has names for the whole of it.
        Name = "marionette-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(State)).AsSpan(0, 4));
        View = Views.First(view => Directory.Exists(view) && !(State + "/").StartsWith(view + "/", StringComparison.Ordinal));
    }

    public string State { get; }

    /// <summary>Name of this daemon's things that are named for the whole machine.</summary>
    public string Name { get; }

    /// <summary>Folder over which sandboxes mount what they see.</summary>
    public string View { get; }

    public string Runners => Path.Combine(State, "runners");

    public string Workspaces => Path.Combine(State, "workspaces");

    public string Runsc => Path.Combine(State, "runsc");

    /// <summary>What has been given up and is not removed yet.</summary>
    public string Gone => Path.Combine(State, "gone");

    public string OfRunner(string key) => Path.Combine(Runners, key);

    /// <summary>A workspace without its ending: the image, the folder and the note of its user add theirs.</summary>
    public string OfWorkspace(string key, string workspace) => Path.Combine(Workspaces, key[..key.IndexOf('/', StringComparison.Ordinal)], workspace);

    /// <summary>Name of a runner's sandbox: for control groups, gVisor and its own host name.</summary>
    public static string Leaf(string key)
    {
        var name = key.Replace('/', '.');
        return name.Length <= 60 ? name : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)).AsSpan(0, 16));
    }

    /// <summary>Makes a folder for root alone.</summary>
    public static void Make(string folder) => Directory.CreateDirectory(folder, OwnerOnly);

    /// <summary>Names become paths: nothing but plain ones does.</summary>
    /// <exception cref="HostFault">Rejected.</exception>
    public static void Check(string key, string workspace)
    {
        if (!Key().IsMatch(key))
            throw new HostFault(FaultKind.Rejected, "The runner's name is not \"tenant/run_…\".");
        if (!PlainName().IsMatch(workspace))
            throw new HostFault(FaultKind.Rejected, "The workspace's name is not plain.");
    }

    /// <summary>The same for a workspace, "tenant/ws_…".</summary>
    /// <exception cref="HostFault">Rejected.</exception>
    public static void CheckWorkspace(string key)
    {
        if (!Key().IsMatch(key))
            throw new HostFault(FaultKind.Rejected, "The workspace's name is not \"tenant/ws_…\".");
    }

    public static bool IsKey(string key) => Key().IsMatch(key);

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,99}/[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\z", RegexOptions.CultureInvariant)]
    private static partial Regex Key();

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\z", RegexOptions.CultureInvariant)]
    private static partial Regex PlainName();
}

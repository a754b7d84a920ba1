namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>A hierarchy of control groups as this process sees it.</summary>
/// <param name="Folder">Where it is mounted.</param>
/// <param name="Controllers">Those of <see cref="CgroupTree.Wanted"/> that it has.</param>
internal sealed record CgroupMount(string Folder, bool IsUnified, IReadOnlyList<string> Controllers);

/// <summary>
/// The control groups of one host daemon: one folder in each hierarchy of version 1, or one in that of version 2, and below it one for each sandbox.
/// </summary>
internal sealed class CgroupTree
{
    public const string Cpu = "cpu", Memory = "memory", Pids = "pids", Freezer = "freezer";

    public static readonly IReadOnlyList<string> Wanted = [Cpu, Memory, Pids, Freezer];

    // Our own lasting processes, so that the end of the service that started them is not theirs.
    private const string KeepLeaf = "keep";

    private readonly IReadOnlyList<CgroupMount> mounts;

    private CgroupTree(IReadOnlyList<CgroupMount> mounts, string name)
    {
        this.mounts = mounts;
        Name = name;
    }

    /// <summary>Name of the daemon's folder.</summary>
    public string Name { get; }

    /// <summary>Finds the hierarchies of this machine.</summary>
    /// <param name="name">Name of the daemon's folder in each.</param>
    public static CgroupTree Find(string name) => new(Parse(File.ReadLines("/proc/self/mountinfo"), Unified), name);

    /// <summary>Reads the mounts.</summary>
    /// <param name="unified">Controllers of a hierarchy of version 2, by its folder.</param>
    public static IReadOnlyList<CgroupMount> Parse(IEnumerable<string> mountInfo, Func<string, IReadOnlyList<string>> unified)
    {
        var found = new List<CgroupMount>();
        foreach (var line in mountInfo)
        {
            // "36 25 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory": optional fields end at the dash.
            var halves = line.Split(" - ", 2);
            if (halves.Length < 2 || halves[0].Split(' ') is not [_, _, _, _, var folder, ..] || halves[1].Split(' ') is not [var type, _, var options, ..])
                continue;
            IReadOnlyList<string> has = type switch
            {
                "cgroup" => [.. Wanted.Intersect(options.Split(','))],
                "cgroup2" => [.. Wanted.Intersect(unified(folder))],
                _ => [],
            };
            if (has.Count > 0 && !found.Exists(other => other.Controllers.Intersect(has).Any()))
                found.Add(new CgroupMount(folder, type == "cgroup2", has));
        }

        return found;
    }

    /// <summary>The hierarchies and what each of them limits.</summary>
    public override string ToString() => string.Join(' ', mounts.Select(mount => $"{mount.Folder}:{string.Join(',', mount.Controllers)}"));

    /// <summary>Makes a group with its limits.</summary>
    /// <exception cref="IOException">The kernel refused.</exception>
    public Cgroup Make(string leaf, double cpus, long memoryMib, int pids)
    {
        var group = Open(leaf);
        foreach (var mount in mounts)
        {
            MakeBase(mount);
            Directory.CreateDirectory(Folder(mount, leaf));
        }

        group.Limit(cpus, memoryMib, pids);
        return group;
    }

    /// <summary>A group that may be there.</summary>
    public Cgroup Open(string leaf) => new([.. mounts.Select(mount => mount with { Folder = Folder(mount, leaf) })]);

    /// <summary>Sandboxes that have a group.</summary>
    public IReadOnlyList<string> Leaves() =>
    [
        .. mounts.Select(mount => Path.Combine(mount.Folder, Name)).Where(Directory.Exists).SelectMany(Directory.GetDirectories)
            .Select(folder => Path.GetFileName(folder)).Where(leaf => leaf != KeepLeaf).Distinct(),
    ];

    /// <summary>Takes a process of ours out of the group of whoever started it.</summary>
    public void Keep(int pid)
    {
        try
        {
            foreach (var mount in mounts)
            {
                MakeBase(mount);
                var folder = Folder(mount, KeepLeaf);
                Directory.CreateDirectory(folder);
                File.WriteAllText(Path.Combine(folder, Cgroup.Members), pid.ToString(System.Globalization.CultureInfo.InvariantCulture));
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // It stays where it is, and ends with what started it where that ends all of its group.
        }
    }

    /// <summary>Removes the daemon's own folders where nothing is in them. A process that ended is in them for a moment yet.</summary>
    public async Task RemoveEmptyAsync()
    {
        for (var tries = 0; tries < 50 && !TryRemoveEmpty(); tries++)
            await Task.Delay(20).ConfigureAwait(false);
    }

    private static string[] Unified(string folder)
    {
        try
        {
            // The freezer is no controller there: every group has it.
            return [.. File.ReadAllText(Path.Combine(folder, "cgroup.controllers")).Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries), Freezer];
        }
        catch (IOException)
        {
            return [];
        }
    }

    private bool TryRemoveEmpty()
    {
        var gone = true;
        foreach (var mount in mounts)
        {
            foreach (var folder in new[] { Folder(mount, KeepLeaf), Path.Combine(mount.Folder, Name) })
                gone &= Cgroup.TryRemove(folder);
        }

        return gone;
    }

    private string Folder(CgroupMount mount, string leaf) => Path.Combine(mount.Folder, Name, leaf);

    private void MakeBase(CgroupMount mount)
    {
        var folder = Path.Combine(mount.Folder, Name);
        Directory.CreateDirectory(folder);
        if (mount.IsUnified)
        {
            foreach (var parent in new[] { mount.Folder, folder })
            {
                foreach (var controller in mount.Controllers.Where(controller => controller != Freezer))
                    File.WriteAllText(Path.Combine(parent, "cgroup.subtree_control"), "+" + controller);
            }
        }

        // All sandboxes together are not one process among the machine's: they weigh as much as it has cores.
        Cgroup.Weigh(mount with { Folder = folder }, Environment.ProcessorCount);
    }
}

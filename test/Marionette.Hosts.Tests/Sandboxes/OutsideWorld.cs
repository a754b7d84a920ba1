using Marionette.Agent.Hosts.Sandboxes;

namespace Marionette.Hosts.Tests.Sandboxes;

/// <summary>What an attacker tries to reach: things that are there, so that only the sandbox keeps him from them.</summary>
internal sealed class OutsideWorld : IDisposable
{
    /// <summary>An address that counts as public and that this machine answers at (of the range for documentation, RFC 5737).</summary>
    public const string Address = "198.51.100.7";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly string folder = Directory.CreateTempSubdirectory("mn-outside-").FullName;
    private readonly string loop;

    /// <param name="workspace">Image of the attacker's workspace: he finds a program of root's in it, and a disk of the host.</param>
    public OutsideWorld(string workspace)
    {
        var image = Path.Combine(folder, "disk.img");
        using (var file = File.Create(image))
            file.SetLength(8 << 20);
        Run("mkfs.ext4", "-q", "-F", image);
        loop = Run("losetup", "--find", "--show", image).Trim();
        Run("ip", "address", "add", Address + "/32", "dev", "lo");
        var at = Path.Combine(folder, "mounted");
        Directory.CreateDirectory(at);
        Run("mount", "-t", "ext4", "-o", "loop", workspace, at);
        try
        {
            var tree = Path.Combine(at, "tree");
            Directory.CreateDirectory(tree);
            Run("cp", "/usr/bin/id", tree + "/root-id");
            Run("chmod", "4755", tree + "/root-id");
            Run("cp", "-a", loop, tree + "/disk");
            Run("chmod", "666", tree + "/disk");
        }
        finally
        {
            Run("umount", at);
        }
    }

    /// <summary>Numbers of a block device that somebody uses.</summary>
    public string Device => File.ReadAllText($"/sys/block/{Path.GetFileName(loop)}/dev").Trim();

    /// <summary>Makes a runner's workspace, of a user that the runner will get: then nothing in it changes its owner at the start.</summary>
    public static async Task<string> WorkspaceAsync(SandboxWorld world, string runner)
    {
        var workspace = world.Keeper.Folders.OfWorkspace(runner, SandboxWorld.Order(runner, SandboxKinds.Bwrap).Workspace);
        var image = await DiskImage.EnsureAsync(SandboxWorld.Agent, workspace, SandboxWorld.Order(runner, SandboxKinds.Bwrap).Profile.DiskMib, SandboxWorld.Token);
        WorkspaceUser.Save(workspace, UserRange.Pick(0, new HashSet<int>()));
        return image;
    }

    public void Dispose()
    {
        Run("ip", "address", "del", Address + "/32", "dev", "lo");
        Run("losetup", "--detach", loop);
        Directory.Delete(folder, recursive: true);
    }

    private static string Run(params string[] command) => SystemProgram.Run(Patience, command);
}

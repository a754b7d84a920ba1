using System.Runtime.InteropServices;
using System.Text;
using Marionette.Workspaces;
using Calls = Marionette.Workspaces.Libc;

namespace Marionette.Agent.Workspaces;

/// <summary>
/// Where a workspace is cloned before it is the workspace: a folder in it, on the same disk whatever is mounted there. When the clone is whole that is
/// marked, and its entries move up; after a crash
/// an unmarked one is thrown away, and a marked one moves on.
/// </summary>
internal sealed unsafe class SeedFolder(string workspace)
{
    public const string Name = ".marionette-seed";

    private const int MaxDepth = 1000;

    private string Staging => Path.Combine(workspace, Name);

    private string Mark => Path.Combine(Staging, "whole");

    /// <summary>What is cloned into.</summary>
    public string Tree => Path.Combine(Staging, "tree");

    /// <summary>For what the clone needs beside.</summary>
    public string Own => Path.Combine(Staging, "own");

    /// <summary>What a clone that is whole left to say; null: there is none.</summary>
    public string? Whole => File.Exists(Mark) ? File.ReadAllText(Mark) : null;

    /// <summary>Whether there is nothing in the workspace, or nothing but a clone that was begun or moves up.</summary>
    public bool IsFree => Whole is not null || Directory.EnumerateFileSystemEntries(workspace).All(path => Path.GetFileName(path) == Name);

    public void Begin()
    {
        Clear();
        foreach (var folder in new[] { Staging, Tree, Own })
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    /// <summary>From here on the clone is the workspace, whatever process dies.</summary>
    public void MarkWhole(string report)
    {
        File.WriteAllText(Mark + ".new", report);
        File.Move(Mark + ".new", Mark);
    }

    /// <summary>Moves what was cloned up, and takes away the rest.</summary>
    /// <exception cref="IOException">Something of a name of it is there.</exception>
    public void MoveUp()
    {
        if (Directory.Exists(Tree))
        {
            var (from, to) = (Open(Tree), Open(workspace));
            try
            {
                var listing = new FolderListing();
                if (listing.Read(from) is var error and not 0)
                    throw new IOException($"{Tree}: {Marshal.GetPInvokeErrorMessage(error)}");
                for (var i = 0; i < listing.Count; i++)
                    fixed (byte* name = listing.Terminated(listing[i]))
                        if (Calls.RenameAt2(from, name, to, name, Calls.RenameNoReplace) != 0
                            // Some file systems of networks do not know the flag. The workspace has nothing of this name: it was empty.
                            && (Marshal.GetLastPInvokeError() is not (Calls.InvalidArgument or Calls.NoSystemCall) || Calls.RenameAt2(from, name, to, name, 0) != 0))
                            throw new IOException($"{Encoding.UTF8.GetString(listing.Name(listing[i]))}: {Marshal.GetLastPInvokeErrorMessage()}");
            }
            finally
            {
                Calls.Close(from);
                Calls.Close(to);
            }
        }

        Clear();
    }

    /// <summary>Takes away what was begun.</summary>
    public void Clear()
    {
        // The tree before its mark: half of a marked tree would be taken for what is left to move.
        foreach (var path in new[] { Tree, Staging })
            if (Directory.Exists(Staging))
                SafeFolder.RemoveTree(Calls.AtCwd, Encoding.UTF8.GetBytes(path), path);
    }

    /// <summary>Bytes on disk of what was cloned so far.</summary>
    public long Measure()
    {
        var fd = TryOpen(Tree);
        if (fd < 0)
            return 0;
        try
        {
            return Measure(fd, 0);
        }
        finally
        {
            Calls.Close(fd);
        }
    }

    private static long Measure(int dir, int depth)
    {
        var listing = new FolderListing();
        if (depth > MaxDepth || listing.Read(dir) != 0)
            return 0;
        long total = 0;
        for (var i = 0; i < listing.Count; i++)
        {
            var stat = listing[i];
            total += (long)stat.Blocks * 512;
            if (!stat.IsDirectory || SafeFolder.OpenFolder(dir, listing.Name(stat).ToArray()) is not (var below and >= 0))
                continue;
            total += Measure(below, depth + 1);
            Calls.Close(below);
        }

        return total;
    }

    private static int TryOpen(string path) => SafeFolder.OpenFolder(Calls.AtCwd, Encoding.UTF8.GetBytes(path));

    private static int Open(string path) => TryOpen(path) is var fd and >= 0 ? fd : throw new IOException($"{path}: {Marshal.GetLastPInvokeErrorMessage()}");
}

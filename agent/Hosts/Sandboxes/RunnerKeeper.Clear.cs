namespace Marionette.Agent.Hosts.Sandboxes;

internal sealed partial class RunnerKeeper
{
    public async Task ClearAsync(bool files)
    {
        // Runners that this process has not looked for count as well: their daemon may be away for a moment.
        if (HasRunnerFolders())
            return;
        await network.EndAsync().ConfigureAwait(false);
        await cgroups.RemoveEmptyAsync().ConfigureAwait(false);
        if (!files)
            return;
        foreach (var folder in new[] { folders.Runners, folders.Runsc, folders.Gone, Path.Combine(folders.State, "bin") })
            SandboxHost.RemoveTree(folder);
        foreach (var file in new[] { SandboxFindings.FileName, "netd.log" })
            File.Delete(Path.Combine(folders.State, file));
        if (!Directory.EnumerateFileSystemEntries(folders.Workspaces).Any())
            Directory.Delete(folders.Workspaces);
    }
}

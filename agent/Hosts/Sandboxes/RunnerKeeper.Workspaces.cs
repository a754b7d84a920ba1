using System.Globalization;

namespace Marionette.Agent.Hosts.Sandboxes;

internal sealed partial class RunnerKeeper
{
    private int given;

    public async Task<IReadOnlyList<string>> ForgetWorkspacesAsync(IReadOnlyCollection<string> keys, CancellationToken cancellationToken)
    {
        foreach (var key in keys)
            HostFolders.CheckWorkspace(key);
        var held = new List<string>();
        try
        {
            foreach (var key in keys)
            {
                if (!await GiveUpAsync(key, cancellationToken).ConfigureAwait(false))
                    held.Add(key);
            }

            await RemoveGoneAsync().ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw KeeperFaults.Of(exception);
        }

        return held;
    }

    // Under the lock that seats are given under, and quick: files of many gibibytes are taken out of the way now and removed afterwards.
    private async Task<bool> GiveUpAsync(string key, CancellationToken cancellationToken)
    {
        await allotting.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var workspace = Path.Combine(folders.Workspaces, key);
            var image = workspace + DiskImage.Image;
            var isHeld = places.Values.Select(place => place.Record).OfType<RunnerRecord>()
                .Any(record => folders.OfWorkspace(record.Runner, record.Workspace) == workspace);
            if (isHeld || DiskImage.IsUsed(image))
                return false;
            var tenant = Path.GetDirectoryName(workspace)!;
            if (!Directory.Exists(tenant))
                return true;
            File.Delete(image + ".new");
            // The note first: without it, whatever is left is taken whole by the next one.
            WorkspaceUser.Forget(workspace);
            if (File.Exists(image))
                File.Move(image, NextGone());
            if (Directory.Exists(workspace))
                Directory.Move(workspace, NextGone());
            Cgroup.TryRemove(tenant);
            return true;
        }
        finally
        {
            allotting.Release();
        }
    }

    private string NextGone() => Path.Combine(
        folders.Gone, string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}-{Interlocked.Increment(ref given)}-{clock.GetTimestamp()}"));

    private async Task RemoveGoneAsync()
    {
        foreach (var path in Directory.GetFileSystemEntries(folders.Gone))
        {
            try
            {
                await Task.Run(() => SandboxHost.RemoveTree(path), CancellationToken.None).ConfigureAwait(false);
            }
            catch (IOException exception)
            {
                log.Stuck(path, exception.Message);
            }
        }
    }
}

using Marionette.Protocol.Hosts.V1;

namespace Marionette.Agent.Hosts.Sandboxes;

internal sealed partial class RunnerKeeper
{
    private static readonly TimeSpan RemovalPatience = TimeSpan.FromMinutes(5);

    /// <inheritdoc/>
    public async Task ForgetWorkspaceAsync(string workspace, CancellationToken cancellationToken)
    {
        // "tenant/name", as runners' keys are made.
        if (!HostFolders.IsKey(workspace))
            throw new HostFault(FaultKind.Rejected, "The workspace's name is not \"tenant/ws_…\".");
        var path = folders.OfWorkspace(workspace, workspace[(workspace.IndexOf('/', StringComparison.Ordinal) + 1)..]);
        // Under the lock of the seats: no runner gets the files while they go.
        await allotting.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            // An ended runner counts as well: it may be started again in its place.
            var holder = places.Values.Select(place => place.Record).OfType<RunnerRecord>().FirstOrDefault(record => folders.OfWorkspace(record.Runner, record.Workspace) == path);
            if (holder is not null)
                throw new HostFault(FaultKind.Unavailable, $"{holder.Runner} has the workspace.");
            if (DiskImage.IsUsed(path + DiskImage.Ending))
                throw new HostFault(FaultKind.Unavailable, "The workspace is still in use.");
            File.Delete(path + DiskImage.Ending);
            if (Directory.Exists(path))
                await Task.Run(() => SystemProgram.Run(RemovalPatience, "rm", "-rf", "--one-file-system", "--", path), cancellationToken).ConfigureAwait(false);
            WorkspaceUser.Forget(path);
            log.WorkspaceForgotten(workspace);
        }
        catch (IOException exception)
        {
            throw new HostFault(FaultKind.Unavailable, exception.Message, exception);
        }
        finally
        {
            allotting.Release();
        }
    }
}

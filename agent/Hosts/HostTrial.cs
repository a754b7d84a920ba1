using Marionette.Agent.Hosts.Sandboxes;
using Marionette.Protocol.Hosts.V1;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Hosts;

/// <summary>
/// Sandboxes tried out in a folder of their own below the host's, on the same file system: whatever a daemon has in its own, and runs beside its
/// runners, is left alone.
/// </summary>
internal static class HostTrial
{
    private const string FolderName = "check";

    /// <summary>What each kind of sandbox gives here. Nothing of it is left.</summary>
    /// <exception cref="HostSetupException">Another one is under way.</exception>
    public static async Task<IReadOnlyList<SandboxFacts>> RunAsync(HostOptions options, TimeProvider clock, ILogger log)
    {
        HostFolders.Make(options.State);
        var trial = Path.Combine(options.State, FolderName);
        using var folder = HostLock.Take(trial);
        File.Delete(Path.Combine(trial, SandboxFindings.FileName));
        return await InAsync(trial, options.Tools ?? [], keeper => keeper.CheckAsync(CancellationToken.None), clock, log).ConfigureAwait(false);
    }

    /// <summary>Removes what one that was killed left in a host's folder. One that is under way is left alone: it removes itself.</summary>
    public static async Task ClearAsync(string state, TimeProvider clock, ILogger log)
    {
        var trial = Path.Combine(state, FolderName);
        if (!Directory.Exists(trial))
            return;
        using var folder = HostLock.TryTake(trial);
        if (folder is not null)
            await InAsync(trial, [], _ => Task.FromResult<IReadOnlyList<SandboxFacts>>([]), clock, log).ConfigureAwait(false);
    }

    private static async Task<IReadOnlyList<SandboxFacts>> InAsync(
        string trial, IReadOnlyList<string> tools, Func<IRunnerKeeper, Task<IReadOnlyList<SandboxFacts>>> work, TimeProvider clock, ILogger log)
    {
        var keeper = HostKeeper.Create(trial, tools, clock, log);
        IReadOnlyList<SandboxFacts> found;
        int left;
        await using (keeper.ConfigureAwait(false))
        {
            await keeper.RecoverAsync(gateway: null, CancellationToken.None).ConfigureAwait(false); // what is left of one that was killed
            found = await work(keeper).ConfigureAwait(false);
            await keeper.ClearAsync(files: true).ConfigureAwait(false);
            left = keeper.List().Count;
        }

        // Whoever looks for what could not be ended finds it by its records.
        if (left == 0)
            SandboxHost.RemoveTree(trial);
        return found;
    }
}

using System.Diagnostics;
using System.Text.Json;
using Marionette.Agent.Events;
using Marionette.Agent.Hosting;
using Marionette.Agent.Runs;
using Marionette.Protocol.V1;
using Marionette.Workspaces;
using Microsoft.Extensions.Logging;
using Wire = Marionette.Protocol.Workspaces.V1;

namespace Marionette.Agent.Workspaces;

/// <summary>
/// Makes the workspace and the agent's home what they should be before the first run: as the last runner left them if they are that runner's, otherwise as
/// the newest checkpoint has them. No run begins before that, and none at all on folders that should have been restored and were not.
/// </summary>
internal sealed class FolderOpening(AgentConfig config, SetupHolder setup, EventSink sink, byte[] secret, DirectTransfers direct, WorkspaceSeed seed, TimeProvider clock, ILogger log)
{
    private const int MostDifferences = 100;

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1), LongestPause = TimeSpan.FromSeconds(30);

    private readonly Lock gate = new();
    private TaskCompletionSource<string?> ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool isBegun;
    private volatile bool isOpen;
    private CancellationToken stop;

    /// <summary>Null: runs may begin. Otherwise why none can.</summary>
    public Task<string?> Ready
    {
        get
        {
            lock (gate)
                return ready.Task;
        }
    }

    /// <summary>The folders are as they should be, and this runner's.</summary>
    public bool IsOpen => isOpen;

    /// <summary>At the first welcome; later ones change nothing.</summary>
    public void Begin(Setup welcome, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            if (isBegun)
                return;
            isBegun = true;
            stop = cancellationToken;
            var answer = ready;
            _ = Task.Run(() => RunAsync(welcome, answer, cancellationToken), CancellationToken.None);
        }
    }

    /// <summary>After a failure: what was damaged or missing may have been mended.</summary>
    public void BeginAgain()
    {
        lock (gate)
        {
            if (!ready.Task.IsCompleted || isOpen)
                return;
            ready = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
            isBegun = false;
            Begin(setup.Current, stop);
        }
    }

    private async Task RunAsync(Setup welcome, TaskCompletionSource<string?> answer, CancellationToken cancellationToken)
    {
        try
        {
            var failure = welcome.Workspace is { } wanted ? await OpenAsync(welcome, wanted, cancellationToken).ConfigureAwait(false)
                : seed.IsWanted(welcome) ? await seed.RunAsync(welcome, cancellationToken).ConfigureAwait(false) : null;
            answer.SetResult(failure);
        }
        catch (OperationCanceledException)
        {
            answer.TrySetResult("The runner stopped before its workspace was there.");
        }
        catch (Exception exception)
        {
            log.WorkspaceFailed(exception.Message);
            answer.TrySetResult($"The workspace cannot be opened: {exception.Message}");
        }
    }

    private async Task<string?> OpenAsync(Setup welcome, WorkspaceSetup wanted, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        var session = welcome.Session;
        var mark = FolderMark.Read(config.HomeDir);
        var source = SourceOf(mark, session, wanted);
        StatCaches.Take(config, areOurs: source == "kept" && mark?.Session == session, log);
        RestoreReport? workspace = null, home = null;
        if (source == "restored")
        {
            FolderMark.Remove(config.HomeDir);
            for (var pause = FirstPause; ; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
            {
                try
                {
                    workspace = await RestoreAsync(wanted.RestoreWorkspace, config.WorkspaceDir, StatCaches.Workspace(config), cancellationToken).ConfigureAwait(false);
                    // A session that began with an uploaded workspace has no home of its own yet.
                    if (wanted.RestoreHome.Length > 0)
                        home = await RestoreAsync(wanted.RestoreHome, config.HomeDir, StatCaches.Home(config), cancellationToken).ConfigureAwait(false);
                    break;
                }
                catch (WorkspaceException exception)
                {
                    // What the store refuses for the moment passes; what the runner's own disk refuses does not.
                    var passes = exception.Fault == WorkspaceFault.Busy || exception is { Fault: WorkspaceFault.Io, InnerException: Grpc.Core.RpcException };
                    log.WorkspaceFailed(exception.Message);
                    sink.Emit("workspace.restore_failed"u8, default, (exception.Message, passes), static (json, failure) =>
                    {
                        json.WriteString("reason"u8, failure.Message);
                        json.WriteBoolean("tried_again"u8, failure.passes);
                    });
                    sink.Commit();
                    if (!passes)
                        return $"The workspace could not be restored from its checkpoint: {exception.Message}";
                }

                await Task.Delay(pause, cancellationToken).ConfigureAwait(false);
            }

            // A conversation that began after the checkpoint is not in the home that came back.
            setup.GoOnIn(wanted.RestoreConversation);
        }
        else if (source == "lost")
        {
            setup.GoOnIn("");
        }

        // What a clone that broke off has left is no file of the session's, and looks like one.
        if (mark is null && source != "restored" && seed.IsWanted(welcome))
        {
            if (await seed.RunAsync(welcome, cancellationToken).ConfigureAwait(false) is { } failure)
                return failure;
            source = source == "lost" ? source : "new";
        }

        new FolderMark(session, config.Epoch).Write(config.HomeDir);
        var took = (long)Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        log.WorkspaceOpened(source, workspace?.Files ?? 0, took);
        sink.Emit("workspace.ready"u8, default, (source, wanted, workspace, home, took), static (json, state) =>
            Write(json, state.source, state.wanted, state.workspace, state.home, state.took));
        sink.Commit();
        isOpen = true;
        return null;
    }

    private string SourceOf(FolderMark? mark, string session, WorkspaceSetup wanted)
    {
        if (mark is not null && mark.Session == session && mark.Epoch >= wanted.LastEpoch)
            return "kept";
        if (wanted.RestoreWorkspace.Length > 0)
            return "restored";
        if (wanted.LastEpoch > 0)
            return "lost";
        return Directory.EnumerateFileSystemEntries(config.WorkspaceDir).Any() ? "kept" : "new";
    }

    private async Task<RestoreReport> RestoreAsync(string snapshot, string folder, string cache, CancellationToken cancellationToken)
    {
        using var connection = new StoreConnection(config, secret, direct, clock);
        var request = new Wire.OpenSnapshotRequest { Snapshot = snapshot };
        var opened = await connection.CallAsync(options => connection.Client.OpenSnapshotAsync(request, options), cancellationToken).ConfigureAwait(false);
        var blobs = new RemoteBlobStore(connection);
        var restorer = new Restorer(blobs, new RemoteChunkIndex(connection, blobs), new ConvergenceKey(opened.Key.Span));
        var how = new RestoreOptions { Existing = ExistingEntries.Mirror, CacheFile = cache, SnapshotId = snapshot };
        return await restorer.RestoreAsync(new ChunkRef(opened.Root.Span), folder, how, cancellationToken).ConfigureAwait(false);
    }

    private static void Write(Utf8JsonWriter json, string source, WorkspaceSetup wanted, RestoreReport? workspace, RestoreReport? home, long took)
    {
        json.WriteString("source"u8, source);
        json.WriteNumber("took_ms"u8, took);
        if (workspace is null)
            return;
        json.WriteString("workspace"u8, wanted.RestoreWorkspace);
        json.Optional("home"u8, home is null ? null : wanted.RestoreHome);
        json.WriteNumber("files"u8, workspace.Files + (home?.Files ?? 0));
        json.WriteNumber("bytes"u8, workspace.Bytes + (home?.Bytes ?? 0));
        if (workspace.Differences.Count == 0)
            return;
        json.WriteStartArray("differences"u8);
        foreach (var (path, what) in workspace.Differences.Take(MostDifferences))
        {
            json.WriteStartObject();
            json.WriteString("path"u8, path);
            json.WriteString("what"u8, what);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}

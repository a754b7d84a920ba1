using System.Diagnostics;
using System.Text.Json;
using Google.Protobuf;
using Marionette.Agent.Events;
using Marionette.Agent.Hosting;
using Marionette.Agent.Runs;
using Marionette.Workspaces;
using Microsoft.Extensions.Logging;
using Wire = Marionette.Protocol.Workspaces.V1;

namespace Marionette.Agent.Workspaces;

/// <summary>Stores the workspace and the agent's home, and tells the session.</summary>
internal sealed class Checkpoint(
    AgentConfig config, SetupHolder setup, RunJournal journal, EventSink sink, byte[] secret, DirectTransfers direct, TimeProvider clock, ILogger log)
{
    private const int MostSkipped = 100;

    private Kept? workspace, home;
    private (string Workspace, string Home) told;

    /// <summary>Makes one. It is whole, recorded and told when this returns; before, the one before counts.</summary>
    /// <param name="reason">"run", "interval", "stop", "pause".</param>
    /// <param name="run">The newest run; empty = none yet.</param>
    /// <param name="isQuiet">Asked while its event is written, so that none comes in between: whether no run was under way since its beginning.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="WorkspaceException">It was not made.</exception>
    public async Task MakeAsync(string reason, byte[] run, Func<bool> isQuiet, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        using var connection = new StoreConnection(config, secret, direct, clock);
        var opened = await connection.CallAsync(options => connection.Client.OpenAsync(new Wire.OpenRequest(), options), cancellationToken).ConfigureAwait(false);
        var blobs = new RemoteBlobStore(connection);
        var uploader = new Uploader(blobs, new RemoteChunkIndex(connection), new ConvergenceKey(opened.Key.Span), clock);
        workspace = await KeepAsync(connection, blobs, uploader, new Part("workspace", config.WorkspaceDir, StatCaches.Workspace(config), ""), workspace, reason, cancellationToken)
            .ConfigureAwait(false);
        home = await KeepAsync(connection, blobs, uploader, new Part("home", config.HomeDir, StatCaches.Home(config), FolderMark.FileName), home, reason, cancellationToken).ConfigureAwait(false);
        if (reason == "interval" && told == (workspace.Id, home.Id))
            return;
        var took = (long)Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        log.CheckpointMade(reason, workspace.Id, workspace.Report.BytesStored + home.Report.BytesStored, took);
        // A runner that has not run yet has the conversation that it was given.
        var conversation = journal.Record.Conversation ?? (setup.Current.Conversation is { Length: > 0 } given ? given : null);
        sink.Emit("checkpoint.created"u8, run, (reason, workspace, home, took, conversation, isQuiet), static (json, made) =>
            Write(json, made.reason, made.workspace, made.home, made.took, made.conversation, made.isQuiet()));
        sink.Commit();
        told = (workspace.Id, home.Id);
    }

    /// <summary>Behind the last one: the next runner that finds these folders need not read what is in it.</summary>
    public void LeaveCaches() => StatCaches.Leave(config, log);

    private async Task<Kept> KeepAsync(
        StoreConnection connection, RemoteBlobStore blobs, Uploader uploader, Part part, Kept? before, string reason, CancellationToken cancellationToken)
    {
        // What goes on beside the agent's work takes one core; a runner that must go takes what there is.
        var options = new SnapshotOptions { CacheFile = part.Cache, LeaveOut = part.LeaveOut };
        if (reason is not ("stop" or "pause"))
            options = options with { Workers = 1 };
        var report = await uploader.SnapshotAsync(part.Folder, options, RecordAsync, ForgetAsync, cancellationToken).ConfigureAwait(false);
        return new Kept(report.Id, report);

        async Task<string> RecordAsync(SnapshotReport made, CancellationToken token)
        {
            // Unchanged: the record before says the same, if it is still there.
            if (before is not null && before.Report.Root == made.Root && await blobs.FindAsync(SnapshotCatalog.Name(before.Id), token).ConfigureAwait(false) is not null)
                return before.Id;
            var request = new Wire.RecordSnapshotRequest
            {
                Root = ByteString.CopyFrom(made.Root.ToArray()), Part = part.Name, Parent = before?.Id ?? "",
                Files = made.Files, Directories = made.Directories, Links = made.Links, Bytes = made.Bytes,
            };
            return (await connection.CallAsync(call => connection.Client.RecordSnapshotAsync(request, call), token).ConfigureAwait(false)).Snapshot;
        }

        async Task ForgetAsync(string id)
        {
            if (id == before?.Id)
                return;
            var request = new Wire.ForgetSnapshotRequest { Snapshot = id };
            await connection.CallAsync(call => connection.Client.ForgetSnapshotAsync(request, call), CancellationToken.None).ConfigureAwait(false);
        }
    }

    private static void Write(Utf8JsonWriter json, string reason, Kept workspace, Kept home, long took, string? conversation, bool quiet)
    {
        json.WriteString("reason"u8, reason);
        json.WriteString("workspace"u8, workspace.Id);
        json.WriteString("home"u8, home.Id);
        json.Optional("conversation_id"u8, conversation);
        json.WriteNumber("files"u8, workspace.Report.Files + home.Report.Files);
        json.WriteNumber("bytes"u8, workspace.Report.Bytes + home.Report.Bytes);
        json.WriteNumber("bytes_stored"u8, workspace.Report.BytesStored + home.Report.BytesStored);
        json.WriteNumber("took_ms"u8, took);
        json.WriteBoolean("quiet"u8, quiet);
        json.WriteBoolean("complete"u8, workspace.Report.MissedCount == 0 && home.Report.MissedCount == 0);
        if (workspace.Report.SkippedCount == 0)
            return;
        json.WriteStartArray("skipped"u8);
        foreach (var entry in workspace.Report.Skipped.Take(MostSkipped))
        {
            json.WriteStartObject();
            json.WriteString("path"u8, entry.Path);
            json.WriteString("what"u8, entry.Detail);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>One of the two folders. The mark, and what lies beside it under its name, says whose the folders on one machine are: it never comes back with a snapshot.</summary>
    private sealed record Part(string Name, string Folder, string Cache, string LeaveOut);

    /// <summary>A snapshot that is recorded.</summary>
    private sealed record Kept(string Id, SnapshotReport Report);
}

using System.Text;
using Marionette.Workspaces;

namespace Marionette.Agent.Workspaces;

/// <summary><c>marionette-agent workspace</c>: an operator's way to a store of snapshots when no server runs. docs/guides/workspace-recovery.md tells how.</summary>
internal static class WorkspaceCommand
{
    public const string Verb = "workspace";

    private const int Failed = 1, Defective = 2;

    private const string Usage = """
        usage: marionette-agent workspace VERB … --store DIR --master-key FILE [--tenant NAME]
          snapshot FOLDER [--cache FILE] [--label TEXT] [--parent SNAPSHOT] [--keep-owner]
          restore SNAPSHOT --to FOLDER [--path PATH] [--existing refuse|replace|mirror] [--cache FILE] [--keep-owner] [--keep-set-id]
          list [SNAPSHOT [PATH]]          cat SNAPSHOT PATH            diff SNAPSHOT SNAPSHOT
          check [--read-data]             collect [--grace SECONDS] [--no-gateway]    delete SNAPSHOT
          rebuild-index                   rotate-keys                  rewrap --old-master-key FILE      shred --yes
        SNAPSHOT is an id or 'latest'. FILE holds 32 bytes, 64 hexadecimal digits or their base64. Exit codes: 0 done, 1 failed, 2 check found defects.
        """;

    public static async Task<int> RunAsync(string[] args, CancellationToken cancellationToken = default)
    {
        if (args is [] or ["--help" or "-h"])
        {
            Console.Out.WriteLine(Usage);
            return 0;
        }

        try
        {
            var arguments = WorkspaceArguments.Parse(args);
            using var folder = new FolderBlobStore(arguments.Require("--store"));
            var blobs = new PrefixedBlobStore(folder, arguments.Get("--tenant", "default") + "/");
            return await new Run(arguments, folder, blobs, cancellationToken).ExecuteAsync();
        }
        catch (Exception exception) when (exception is WorkspaceException or IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"marionette-agent workspace: {exception.Message.ReplaceLineEndings(" ")}");
            return Failed;
        }
    }

    private sealed class Run(WorkspaceArguments arguments, FolderBlobStore folder, IBlobStore blobs, CancellationToken cancellationToken)
    {
        private readonly StreamWriter _out = new(Console.OpenStandardOutput(), new UTF8Encoding(false), 64 * 1024);
        private WorkspaceStore _store = null!;
        private KeyRing _ring = null!;

        public async Task<int> ExecuteAsync()
        {
            List<IMasterKey> masters = [Key(arguments.Require("--master-key"))];
            if (arguments.Get("--old-master-key") is { } old)
                masters.Add(Key(old));
            _ring = new KeyRing(blobs, arguments.Get("--tenant", "default"), masters);
            await using (_out)
                return await VerbAsync();
        }

        private async Task<int> VerbAsync()
        {
            switch (arguments.Words)
            {
                case ["shred"] when arguments.Has("--yes"):
                    await _ring.ShredAsync(cancellationToken);
                    return 0;
                case ["rotate-keys"]:
                    Say($"generation {(await _ring.RotateAsync(cancellationToken)).Current.Number}");
                    return 0;
                case ["rewrap"]:
                    await _ring.RewrapAsync(cancellationToken);
                    return 0;
                case ["rebuild-index"]:
                    Say($"{await new StoreIndex(blobs).RebuildAsync(cancellationToken)} packs");
                    return 0;
            }

            // Only a snapshot may set a tenant up: a mistyped folder is no empty store.
            var keys = arguments.Words is ["snapshot", ..] ? await _ring.OpenOrCreateAsync(cancellationToken) : await _ring.OpenAsync(cancellationToken);
            _store = new WorkspaceStore(blobs, keys, TimeProvider.System);
            switch (arguments.Words)
            {
                case ["snapshot", var source]: return await SnapshotAsync(source);
                case ["restore", var id]: return await RestoreAsync(await IdAsync(id));
                case ["list"]: return await SnapshotsAsync();
                case ["list", var id]: return await ListAsync(await IdAsync(id), "");
                case ["list", var id, var path]: return await ListAsync(await IdAsync(id), path);
                case ["cat", var id, var path]: return await CatAsync(await IdAsync(id), path);
                case ["diff", var before, var after]: return await DiffAsync(await IdAsync(before), await IdAsync(after));
                case ["check"]: return await CheckAsync();
                case ["collect"]: return await CollectAsync();
                case ["delete", var id]:
                    await _store.Snapshots.DeleteAsync(await IdAsync(id), cancellationToken);
                    return 0;
                default: throw new WorkspaceException(WorkspaceFault.Invalid, "what is to be done is not clear; see marionette-agent workspace --help");
            }
        }

        private static LocalMasterKey Key(string path) => LocalMasterKey.Parse(File.ReadAllBytes(path));

        private void Say(string line) => _out.WriteLine(line);

        private async Task<string> IdAsync(string id)
        {
            if (id != "latest")
                return id;
            var all = await _store.Snapshots.ListAsync(cancellationToken);
            return all.Count > 0 ? all[^1] : throw new WorkspaceException(WorkspaceFault.Missing, "there is no snapshot");
        }

        private async Task<int> SnapshotAsync(string source)
        {
            var report = await _store.SnapshotAsync(source, new SnapshotOptions
            {
                CacheFile = arguments.Get("--cache"), Label = arguments.Get("--label", ""), Parent = arguments.Get("--parent"), KeepOwner = arguments.Has("--keep-owner"),
            }, cancellationToken);
            Say(report.Id);
            Say($"files {report.Files}, folders {report.Directories}, links {report.Links}, bytes {report.Bytes}; read {report.FilesRead} files, {report.BytesRead} bytes; new chunks {report.NewChunks}, stored {report.BytesStored} bytes");
            foreach (var skipped in report.Skipped)
                Say($"skipped {skipped.Path}: {skipped.Reason}, {skipped.Detail}");
            return 0;
        }

        private async Task<int> RestoreAsync(string id)
        {
            var existing = arguments.Get("--existing", "refuse") switch
            {
                "refuse" => ExistingEntries.Refuse, "replace" => ExistingEntries.Replace, "mirror" => ExistingEntries.Mirror,
                var other => throw new WorkspaceException(WorkspaceFault.Invalid, $"--existing {other}: refuse, replace or mirror"),
            };
            var report = await _store.RestoreAsync(id, arguments.Require("--to"), new RestoreOptions
            {
                Path = arguments.Get("--path", ""), Existing = existing, CacheFile = arguments.Get("--cache"), KeepOwner = arguments.Has("--keep-owner"), KeepSetId = arguments.Has("--keep-set-id"),
            }, cancellationToken);
            Say($"files {report.Files}, folders {report.Directories}, links {report.Links}, bytes {report.Bytes}");
            foreach (var (path, what) in report.Differences)
                Say($"differs {path}: {what}");
            return 0;
        }

        private async Task<int> SnapshotsAsync()
        {
            foreach (var id in await _store.Snapshots.ListAsync(cancellationToken))
            {
                var record = await _store.Snapshots.GetAsync(id, cancellationToken);
                Say($"{id}  {record.Created:yyyy-MM-dd HH:mm:ss}Z  {record.Files} files  {record.Bytes} bytes  {record.Label}");
            }

            return 0;
        }

        private async Task<int> ListAsync(string id, string path)
        {
            using var reader = await _store.OpenAsync(id, cancellationToken);
            await foreach (var entry in reader.ListAsync(path, cancellationToken))
                Say($"{entry.Type switch { EntryType.Directory => 'd', EntryType.Link => 'l', _ => '-' }}{Convert.ToString(entry.Mode, 8),4} {entry.Size,12} {entry.NameText}{(entry.Target is null ? "" : " -> " + Encoding.UTF8.GetString(entry.Target))}");
            return 0;
        }

        private async Task<int> CatAsync(string id, string path)
        {
            using var reader = await _store.OpenAsync(id, cancellationToken);
            await reader.CopyFileAsync(path, _out.BaseStream, cancellationToken);
            return 0;
        }

        private async Task<int> DiffAsync(string before, string after)
        {
            await foreach (var change in _store.DiffAsync(before, after, cancellationToken))
                Say($"{change.Kind switch { ChangeKind.Added => '+', ChangeKind.Removed => '-', ChangeKind.Changed => 'M', ChangeKind.TypeChanged => 'T', _ => 'm' }} {change.Path}");
            return 0;
        }

        private async Task<int> CheckAsync()
        {
            var report = await _store.CheckAsync(arguments.Has("--read-data"), cancellationToken);
            foreach (var defect in report.Defects)
            {
                Say($"defect {defect.Name}{(defect.Chunk is { } chunk ? $" chunk {chunk}" : "")}: {defect.What}");
                foreach (var path in defect.Paths)
                    Say($"  needed by {path}");
            }

            Say($"snapshots {report.Snapshots}, packs {report.Packs}, chunks {report.Chunks}, bytes read {report.BytesRead}, defects {report.Defects.Count}");
            return report.Defects.Count == 0 ? 0 : Defective;
        }

        private async Task<int> CollectAsync()
        {
            var grace = arguments.Get("--grace") is { } text ? TimeSpan.FromSeconds(double.TryParse(text, out var seconds) && seconds >= 0
                ? seconds : throw new WorkspaceException(WorkspaceFault.Invalid, $"--grace {text}: seconds")) : new CollectOptions().Grace;
            if (arguments.Has("--no-gateway"))
                await ServedMark.RemoveAsync(blobs, cancellationToken);
            else if (await ServedMark.IsThereAsync(blobs, cancellationToken))
                throw new WorkspaceException(WorkspaceFault.Busy, "gateways use this store and collect by themselves (marionette storage collect does it now); if none will use it again, add --no-gateway");
            var report = await _store.CollectAsync(new CollectOptions { Grace = grace }, cancellationToken);
            folder.Clear(TimeProvider.System.GetUtcNow().AddDays(-1));
            Say($"live chunks {report.LiveChunks}; deleted {report.Deleted} packs, {report.BytesDeleted} bytes; condemned {report.Condemned}, of which written anew {report.Repacked}; spared {report.Spared}");
            return 0;
        }
    }
}

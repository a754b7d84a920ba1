using Google.Protobuf;
using Marionette.Gateway.Tests.Support;
using Marionette.Protocol.Workspaces.V1;
using Marionette.TestSupport;
using Marionette.Workspaces;

namespace Marionette.Gateway.Tests.Workspaces;

/// <summary>A gateway with a chunk store in a folder and the index on a real database; runners that call over a real socket.</summary>
public abstract class WorkspaceTest(PostgresFixture postgres) : IAsyncLifetime
{
    protected const string Runner = "acme/run_0VblLnwqr5JQkdmN", Session = "sess_0VblLnwqr5JQkdmN";

    private readonly List<WorkspaceClient> clients = [];

    private protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private protected static byte[] Secret { get; } = [.. Enumerable.Repeat((byte)7, 32)];

    private protected PostgresFixture Postgres => postgres;

    private protected GatewayHost Gateway { get; private set; } = null!;

    private protected string Folder { get; } = TestFolder.Create();

    private protected string Store => Path.Combine(Folder, "chunks");

    /// <summary>A runner of tenant "acme" that may call.</summary>
    private protected WorkspaceClient Client { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Gateway = await StartAsync();
        Client = AddRunner(Runner, Session);
    }

    public async ValueTask DisposeAsync()
    {
        clients.ForEach(client => client.Dispose());
        await Gateway.DisposeAsync();
        await EndAsync();
        TestFolder.Delete(Folder);
        GC.SuppressFinalize(this);
    }

    private protected virtual Task<GatewayHost> StartAsync() => GatewayHost.StartAsync(Postgres, Store);

    /// <summary>Ends what <see cref="StartAsync"/> started beside the gateway.</summary>
    private protected virtual ValueTask EndAsync() => ValueTask.CompletedTask;

    private protected WorkspaceClient AddRunner(string runner, string session)
    {
        Gateway.Cluster.Runners[runner] = (3, Secret, session);
        return Dial(runner, 3, Secret);
    }

    private protected WorkspaceClient Dial(string runner, long epoch, byte[] secret)
    {
        var client = new WorkspaceClient(Gateway, runner, epoch, secret);
        clients.Add(client);
        return client;
    }

    /// <summary>A folder with some files, large ones among them.</summary>
    private protected string Tree(string name = "tree")
    {
        var folder = Path.Combine(Folder, name);
        Directory.CreateDirectory(Path.Combine(folder, "deep", "er"));
        File.WriteAllText(Path.Combine(folder, "a"), "hello");
        var bytes = new byte[3_000_000];
        new Random(1).NextBytes(bytes);
        File.WriteAllBytes(Path.Combine(folder, "deep", "large"), bytes);
        File.WriteAllText(Path.Combine(folder, "deep", "er", "b"), string.Concat(Enumerable.Repeat("text ", 20_000)));
        return folder;
    }

    /// <summary>Snapshots a folder as an agent does.</summary>
    private protected static async Task<SnapshotReport> SnapshotAsync(WorkspaceClient client, string folder, string part = "workspace")
    {
        var open = await client.CallAsync<OpenReply>("Open", new OpenRequest());
        var uploader = new Uploader(new RemoteBlobs(client), new RemoteIndex(client), new ConvergenceKey(open.Key.Span), TimeProvider.System);
        return await uploader.SnapshotAsync(
            folder, new SnapshotOptions { Workers = 2 }, async (report, _) => await RecordAsync(client, report, part), id => ForgetAsync(client, id), Cancel);
    }

    private protected static async Task<string> RecordAsync(WorkspaceClient client, SnapshotReport report, string part = "workspace") =>
        (await client.CallAsync<RecordSnapshotReply>("RecordSnapshot", new RecordSnapshotRequest
        {
            Root = ByteString.CopyFrom(report.Root.ToArray()), Part = part, Files = report.Files, Directories = report.Directories, Links = report.Links, Bytes = report.Bytes,
        })).Snapshot;

    private protected static Task ForgetAsync(WorkspaceClient client, string id) => client.CallAsync<ForgetSnapshotReply>("ForgetSnapshot", new ForgetSnapshotRequest { Snapshot = id });

    private protected static Task<OpenSnapshotReply> OpenAsync(WorkspaceClient client, string id) =>
        client.CallAsync<OpenSnapshotReply>("OpenSnapshot", new OpenSnapshotRequest { Snapshot = id });

    /// <summary>Restores a snapshot as an agent does, into a new folder.</summary>
    private protected async Task<string> RestoreAsync(WorkspaceClient client, string id)
    {
        var opened = await OpenAsync(client, id);
        var target = Path.Combine(Folder, Guid.NewGuid().ToString("n"));
        await new Restorer(new RemoteBlobs(client), new RemoteIndex(client), new ConvergenceKey(opened.Key.Span))
            .RestoreAsync(new ChunkRef(opened.Root.Span), target, new RestoreOptions { Workers = 2 }, Cancel);
        return target;
    }

    private protected static void AssertSame(string expected, string actual)
    {
        string[] Files(string folder) => [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(folder, file)).Order(StringComparer.Ordinal)];
        Assert.Equal(Files(expected), Files(actual));
        foreach (var file in Files(expected)) Assert.True(File.ReadAllBytes(Path.Combine(expected, file)).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(actual, file))), file);
    }
}

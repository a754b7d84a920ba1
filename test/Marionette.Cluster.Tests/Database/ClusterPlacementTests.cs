using Marionette.Silo.Database.Embedded;
using Marionette.TestSupport;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Marionette.Cluster.Tests.Database;

/// <summary>
/// Data folders that the server's unprivileged user cannot reach. Only a root process has such a user.
/// </summary>
public sealed class ClusterPlacementTests : IDisposable
{
    private const UnixFileMode Closed = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly string folder = TestFolder.Create();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string Data => Path.Combine(folder, "closed", "data");

    private string Pointer => Path.Combine(Data, "postgres.location");

    public void Dispose() => TestFolder.Delete(folder);

    [Fact]
    public async Task DataFolderClosed_IsMadePassable_NotReadable()
    {
        SkipUnlessRoot();
        var data = Directory.CreateDirectory(Path.Combine(folder, "closed"), Closed).FullName;
        await using var server = await StartAsync(data);
        Assert.Equal(Closed | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute, File.GetUnixFileMode(data));
        Assert.StartsWith(data, new NpgsqlConnectionStringBuilder(server.ConnectionString).Host);
    }

    [Fact]
    public async Task FolderAboveClosed_TheClusterGoesElsewhere_AndIsFoundAgain()
    {
        SkipUnlessRoot();
        Directory.CreateDirectory(Path.Combine(folder, "closed"), Closed);
        string location;
        await using (var server = await StartAsync(Data))
        {
            location = (await File.ReadAllTextAsync(Pointer, Cancel)).Trim();
            Assert.StartsWith(Path.Combine(folder, "elsewhere"), location);
            await ExecuteAsync(server, "create table kept ()");
        }

        Assert.Equal(Closed, File.GetUnixFileMode(Path.Combine(folder, "closed"))); // not ours to open
        await using var again = await StartAsync(Data);
        Assert.Equal(location, (await File.ReadAllTextAsync(Pointer, Cancel)).Trim());
        await ExecuteAsync(again, "drop table kept");
    }

    [Fact]
    public async Task DataFolderDeletedAndMadeAgain_BeginsWithAnEmptyDatabase()
    {
        SkipUnlessRoot();
        Directory.CreateDirectory(Path.Combine(folder, "closed"), Closed);
        await using (var server = await StartAsync(Data)) await ExecuteAsync(server, "create table old ()");
        Directory.Delete(Data, recursive: true);

        await using var anew = await StartAsync(Data);
        await ExecuteAsync(anew, "create table old ()");
    }

    [Fact]
    public async Task PointerToNowhere_IsRefusedInsteadOfStartingEmpty()
    {
        Directory.CreateDirectory(Data);
        await File.WriteAllTextAsync(Pointer, "/nowhere/at/all\n", Cancel);
        var refusal = await Assert.ThrowsAsync<EmbeddedPostgresException>(() => StartAsync(Data));
        Assert.Contains("restore it", refusal.Message);
    }

    private static void SkipUnlessRoot() =>
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Only root has an unprivileged user for the server.");

    private Task<EmbeddedPostgres> StartAsync(string data) => EmbeddedPostgres.StartAsync(
        new EmbeddedPostgresOptions
        {
            DataDirectory = data,
            SharedBuffersMb = 32,
            FallbackRoot = Path.Combine(folder, "elsewhere"),
        },
        NullLogger.Instance, TimeProvider.System, Cancel);

    private static async Task ExecuteAsync(EmbeddedPostgres server, string sql)
    {
        await using var source = NpgsqlDataSource.Create(server.ConnectionString);
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(Cancel);
    }
}

using Marionette.Silo.Database.Embedded;
using Marionette.TestSupport;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Marionette.Cluster.Tests.Database;

public sealed class EmbeddedPostgresTests : IDisposable
{
    private readonly string folder = TestFolder.Create();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string Root => Path.Combine(folder, "postgres");

    private string PostmasterPidFile => Path.Combine(Root, "cluster", "data", "postmaster.pid");

    public void Dispose() => TestFolder.Delete(folder);

    [Fact]
    public async Task Start_ThenStop_LeavesNoProcessAndKeepsTheData()
    {
        int pid;
        await using (var server = await StartAsync())
        {
            pid = server.PostmasterPid;
            await ExecuteAsync(server, "create table kept (n int); insert into kept values (7)");
        }

        Assert.False(IsAlive(pid));
        Assert.False(File.Exists(PostmasterPidFile));

        await using var again = await StartAsync();
        Assert.Equal(7, await ScalarAsync<int>(again, "select n from kept"));
    }

    [Fact]
    public async Task Start_HasUtf8AndCLocale_Durability_AndNoTcp()
    {
        await using var server = await StartAsync();
        Assert.Equal(
            "UTF8|C|on|on|on||off",
            await ScalarAsync<string>(server, """
                select concat_ws('|', pg_encoding_to_char(encoding), datcollate, current_setting('fsync'),
                    current_setting('synchronous_commit'), current_setting('data_checksums'),
                    current_setting('listen_addresses'), current_setting('jit'))
                from pg_database where datname = current_database()
                """));
    }

    [Fact]
    public async Task Start_AnswersOnlyWithItsPassword_BehindAPrivateFolder()
    {
        await using var server = await StartAsync();
        var settings = new NpgsqlConnectionStringBuilder(server.ConnectionString);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(settings.Host!));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(Root, "password")));

        settings.Password = "guess";
        settings.Pooling = false;
        await using var connection = new NpgsqlConnection(settings.ConnectionString);
        var refusal = await Assert.ThrowsAsync<PostgresException>(() => connection.OpenAsync(Cancel));
        Assert.Equal(PostgresErrorCodes.InvalidPassword, refusal.SqlState);
    }

    [Fact]
    public async Task Start_TheServerHasASessionOfItsOwn_SoCtrlCDoesNotReachIt()
    {
        await using var server = await StartAsync();
        // After the name: state, parent, process group, session.
        var stat = await File.ReadAllTextAsync($"/proc/{server.PostmasterPid}/stat", Cancel);
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        Assert.Equal([$"{server.PostmasterPid}", $"{server.PostmasterPid}"], fields[2..4]);
    }

    [Fact]
    public async Task Start_AsRoot_RunsTheServerAsAnUnprivilegedUser()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Only root has a user to drop to.");
        await using var server = await StartAsync();
        var status = await File.ReadAllLinesAsync($"/proc/{server.PostmasterPid}/status", Cancel);
        Assert.DoesNotContain("0", status.Single(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1..]);
        Assert.EndsWith("\t0000000000000000", status.Single(line => line.StartsWith("CapEff:", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Start_TwoSideBySide_DoNotMeet()
    {
        await using var one = await StartAsync(Path.Combine(folder, "one"));
        await using var two = await StartAsync(Path.Combine(folder, "two"));
        await ExecuteAsync(one, "create table only_in_one ()");
        Assert.True(await ScalarAsync<bool>(two, "select to_regclass('only_in_one') is null"));
        Assert.NotEqual(one.PostmasterPid, two.PostmasterPid);
    }

    [Fact]
    public async Task Start_TwiceInOneFolder_RefusesTheSecond()
    {
        await using var server = await StartAsync();
        var refusal = await Assert.ThrowsAsync<EmbeddedPostgresException>(() => StartAsync());
        Assert.StartsWith("Another Marionette process uses the database", refusal.Message);
    }

    [Fact]
    public async Task Start_LongPath_PutsTheSocketElsewhere()
    {
        await using var server = await StartAsync(Path.Combine(folder, new string('x', 100)));
        Assert.Equal(1, await ScalarAsync<int>(server, "select 1"));

        var socket = new NpgsqlConnectionStringBuilder(server.ConnectionString).Host;
        await server.DisposeAsync();
        Assert.False(Directory.Exists(socket)); // nothing stays behind outside the data folder
    }

    [Fact]
    public async Task Start_NoPostgresPrograms_SaysWhatToInstall()
    {
        var refusal = await Assert.ThrowsAsync<EmbeddedPostgresException>(() => EmbeddedPostgres.StartAsync(
            new EmbeddedPostgresOptions { DataDirectory = folder, BinDirectory = folder },
            NullLogger.Instance, TimeProvider.System, Cancel));
        Assert.Contains("apt-get install postgresql", refusal.Message);
        Assert.DoesNotContain('\n', refusal.Message);
    }

    [Fact]
    public async Task Start_BrokenOperatorConfiguration_SaysWhatPostgresSaid()
    {
        await using (await StartAsync()) { }
        await File.WriteAllTextAsync(Path.Combine(Root, "conf", "operator.conf"), "max_connections = lots", Cancel);
        var refusal = await Assert.ThrowsAsync<EmbeddedPostgresException>(() => StartAsync());
        Assert.Contains("operator.conf", refusal.Message);
        Assert.DoesNotContain('\n', refusal.Message);
    }

    private Task<EmbeddedPostgres> StartAsync(string? data = null) => EmbeddedPostgres.StartAsync(
        new EmbeddedPostgresOptions { DataDirectory = data ?? folder, SharedBuffersMb = 32 },
        NullLogger.Instance, TimeProvider.System, Cancel);

    private static bool IsAlive(int pid) => Directory.Exists($"/proc/{pid}") &&
        !File.ReadAllText($"/proc/{pid}/stat").Contains(") Z", StringComparison.Ordinal);

    private static async Task ExecuteAsync(EmbeddedPostgres server, string sql)
    {
        await using var source = NpgsqlDataSource.Create(server.ConnectionString);
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(Cancel);
    }

    private static async Task<T> ScalarAsync<T>(EmbeddedPostgres server, string sql)
    {
        await using var source = NpgsqlDataSource.Create(server.ConnectionString);
        await using var command = source.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync(Cancel))!;
    }
}

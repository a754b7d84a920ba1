using System.Diagnostics;
using Marionette.Silo.Database.Embedded;
using Marionette.TestSupport;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Marionette.Cluster.Tests.Database;

/// <summary>What happens to the embedded server when something dies. Each test has a data folder of its own.</summary>
public sealed class EmbeddedPostgresCrashTests : IDisposable
{
    private readonly string folder = TestFolder.Create();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string Cluster => Path.Combine(folder, "postgres", "cluster");

    private string PostmasterPidFile => Path.Combine(Cluster, "data", "postmaster.pid");

    public void Dispose() => TestFolder.Delete(folder);

    [Fact]
    public async Task OwnerKilled_TheNextOneTakesOverTheRunningServer()
    {
        int pid;
        await using (var owner = HostProcess.Start("postgres", folder))
        {
            var (ready, connectionString) = Split(await owner.ReadyAsync(Cancel));
            pid = ready;
            await WriteAsync(connectionString, 1);
            await owner.KillAsync();
        }

        Assert.True(IsAlive(pid));
        await using (var server = await StartAsync())
        {
            Assert.Equal(pid, server.PostmasterPid);
            Assert.Equal(1, await CountAsync(server.ConnectionString));
        }

        // Taken over with all duties. It is an orphan: whoever inherited it takes a moment to bury it.
        await Eventually.SeesAsync("server", () => Task.FromResult(IsAlive(pid)), isAlive => !isAlive, Cancel);
    }

    [Fact]
    public async Task OwnerAndServerKilled_TheNextStartRecoversEveryCommit()
    {
        await using (var owner = HostProcess.Start("postgres", folder))
        {
            var (pid, connectionString) = Split(await owner.ReadyAsync(Cancel));
            for (var n = 1; n <= 50; n++) await WriteAsync(connectionString, n);
            await owner.KillAsync();
            Kill(pid);
        }

        await using var server = await StartAsync();
        Assert.Equal(50, await CountAsync(server.ConnectionString));
    }

    [Fact]
    public async Task OwnerStops_TheServerStopsWithIt()
    {
        await using var owner = HostProcess.Start("postgres", folder);
        var (pid, _) = Split(await owner.ReadyAsync(Cancel));
        await owner.StopAsync(Cancel);
        Assert.False(IsAlive(pid));
    }

    [Theory]
    [InlineData("immediate")]
    [InlineData("fast")]
    public async Task ServerStoppedByAnOperator_IsStartedAgain(string mode)
    {
        await using var server = await StartAsync();
        await WriteAsync(server.ConnectionString, 1);
        var before = server.PostmasterPid;
        await PgCtlAsync("stop", "-m", mode);

        await Eventually.SeesAsync("postmaster", () => Task.FromResult(server.PostmasterPid), pid => pid != before, Cancel);
        Assert.Equal(1, await CountAsync(server.ConnectionString));
    }

    [Fact]
    public async Task ServerKilled_IsStartedAgainOverAndOver()
    {
        await using var server = await StartAsync();
        for (var n = 1; n <= 3; n++)
        {
            await WriteAsync(server.ConnectionString, n);
            var before = server.PostmasterPid;
            Kill(before);
            await Eventually.SeesAsync("postmaster", () => Task.FromResult(server.PostmasterPid), pid => pid != before, Cancel);
            Assert.Equal(n, await CountAsync(server.ConnectionString));
        }
    }

    [Fact]
    public async Task Disposed_WhileTheServerIsDown_EndsInOrder()
    {
        await using var server = await StartAsync(restartDelay: TimeSpan.FromMinutes(1));
        Kill(server.PostmasterPid);
        await server.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(20), Cancel);
    }

    [Fact]
    public async Task OwnerKilledInTheMiddleOfInitdb_TheNextStartBeginsAnew()
    {
        await using (var owner = HostProcess.Start("postgres", folder))
        {
            await Eventually.SeesAsync(
                "initdb", () => Task.FromResult(Unfinished().Length), count => count > 0, Cancel);
            await owner.KillAsync();
            Assert.False(Directory.Exists(Path.Combine(Cluster, "data"))); // it was in the middle
        }

        await using var server = await StartAsync();
        await WriteAsync(server.ConnectionString, 1);
    }

    [Fact]
    public async Task UnfinishedInitdbOfLongAgo_IsRemoved()
    {
        await using (await StartAsync()) { }
        var rest = Directory.CreateDirectory(Path.Combine(Cluster, "initializing-0123abcd"));
        await File.WriteAllTextAsync(Path.Combine(rest.FullName, "PG_VERSION"), "15", Cancel);

        await using var server = await StartAsync();
        Assert.Empty(Unfinished());
    }

    [Fact]
    public async Task PidFileOfAnotherProgram_IsNoServer()
    {
        await using (await StartAsync()) { }
        // As after a reboot: the number lives, and is another program's. This test's own, to be sure that it lives.
        await File.WriteAllTextAsync(
            PostmasterPidFile, $"{Environment.ProcessId}\n{Path.Combine(Cluster, "data")}\n1700000000\n5432\n\n\n", Cancel);

        await using var server = await StartAsync();
        Assert.NotEqual(Environment.ProcessId, server.PostmasterPid);
        Assert.True(IsAlive(Environment.ProcessId));
    }

    private string[] Unfinished() =>
        Directory.Exists(Cluster) ? Directory.GetDirectories(Cluster, "initializing-*") : [];

    private Task<EmbeddedPostgres> StartAsync(TimeSpan? restartDelay = null) => EmbeddedPostgres.StartAsync(
        new EmbeddedPostgresOptions
        {
            DataDirectory = folder,
            SharedBuffersMb = 32,
            RestartDelay = restartDelay ?? TimeSpan.FromMilliseconds(100),
        },
        NullLogger.Instance, TimeProvider.System, Cancel);

    private async Task PgCtlAsync(params string[] arguments)
    {
        var program = Directory.GetDirectories("/usr/lib/postgresql").Order().Last() + "/bin/pg_ctl";
        string[] command = [program, "-D", Path.Combine(Cluster, "data"), .. arguments];
        if (Environment.IsPrivilegedProcess) command = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", .. command];
        using var process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { WorkingDirectory = "/", RedirectStandardOutput = true })!;
        await process.WaitForExitAsync(Cancel);
        Assert.Equal(0, process.ExitCode);
    }

    private static void Kill(int pid)
    {
        using var process = Process.GetProcessById(pid);
        process.Kill();
    }

    private static bool IsAlive(int pid) => Directory.Exists($"/proc/{pid}") &&
        !File.ReadAllText($"/proc/{pid}/stat").Contains(") Z", StringComparison.Ordinal);

    private static (int Pid, string ConnectionString) Split(string ready) =>
        (int.Parse(ready[..ready.IndexOf(' ')]), ready[(ready.IndexOf(' ') + 1)..]);

    private static async Task WriteAsync(string connectionString, int n)
    {
        await using var source = NpgsqlDataSource.Create(connectionString);
        await using var command = source.CreateCommand(
            $"create table if not exists written (n int primary key); insert into written values ({n})");
        await command.ExecuteNonQueryAsync(Cancel);
    }

    private static async Task<long> CountAsync(string connectionString)
    {
        await using var source = NpgsqlDataSource.Create(connectionString);
        await using var command = source.CreateCommand("select count(*) from written");
        return (long)(await command.ExecuteScalarAsync(Cancel))!;
    }
}

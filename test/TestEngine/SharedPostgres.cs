using System.Diagnostics;

namespace Marionette.TestEngine;

/// <summary>A PostgreSQL server that belongs to nobody but its caller, to be stopped and started by hand.</summary>
public sealed class SharedPostgres : IAsyncDisposable
{
    // A folder that the database's user can pass.
    private const UnixFileMode Passable = (UnixFileMode)0b111_101_101;

    private readonly string _folder, _binaries;
    private readonly bool _durable;
    private readonly int _port = Ports.Free();

    private SharedPostgres(string folder, string binaries, bool durable) => (_folder, _binaries, _durable) = (folder, binaries, durable);

    /// <summary>How to connect, as its only role. There is no password: it listens on loopback.</summary>
    public string ConnectionString => $"Host=127.0.0.1;Port={_port};Username=marionette;Database=postgres";

    private string Data => Path.Combine(_folder, "data");

    /// <summary>Makes one and starts it.</summary>
    /// <param name="durable">Whether a commit waits for the disk. A crash of the machine is no subject of tests: they do not wait.</param>
    /// <exception cref="InvalidOperationException">PostgreSQL's programs are missing, or one failed.</exception>
    public static async Task<SharedPostgres> StartAsync(bool durable = false)
    {
        var binaries = Binaries();
        var folder = Directory.CreateTempSubdirectory("marionette-pg-").FullName;
        File.SetUnixFileMode(folder, Passable);
        var server = new SharedPostgres(folder, binaries, durable);
        if (Environment.IsPrivilegedProcess) await RunAsync("chown", "postgres", folder);
        await server.RunAsServerAsync("initdb", "-D", server.Data, "-U", "marionette", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync");
        await server.StartServerAsync();
        return server;
    }

    /// <summary>Starts it again, in its old place.</summary>
    public Task StartServerAsync() => RunAsServerAsync(
        "pg_ctl", "start", "-D", Data, "-w", "-s", "-l", Path.Combine(_folder, "log"),
        "-o", $"-h 127.0.0.1 -p {_port} -k {_folder} -c fsync={(_durable ? "on" : "off")} -c shared_buffers=64MB -c max_connections=200");

    /// <summary>As a crash: no checkpoint, connections cut; the next start recovers from the log.</summary>
    public Task StopImmediatelyAsync() => RunAsServerAsync("pg_ctl", "stop", "-D", Data, "-m", "immediate", "-w", "-s");

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (File.Exists(Path.Combine(Data, "postmaster.pid"))) await StopImmediatelyAsync();
        for (var attempt = 1; Directory.Exists(_folder); attempt++)
        {
            try
            {
                Directory.Delete(_folder, recursive: true);
            }
            catch (IOException) when (attempt < 100)
            {
                // Processes that were ended a moment ago may still be writing: the pause between two tries.
                await Task.Delay(50);
            }
        }
    }

    /// <summary>PostgreSQL refuses to run as root.</summary>
    private Task RunAsServerAsync(string program, params string[] arguments) => Environment.IsPrivilegedProcess
        ? RunAsync("setpriv", ["--reuid=postgres", "--regid=postgres", "--clear-groups", Path.Combine(_binaries, program), .. arguments])
        : RunAsync(Path.Combine(_binaries, program), arguments);

    private static string Binaries()
    {
        var installed = Directory.Exists("/usr/lib/postgresql") ? Directory.EnumerateDirectories("/usr/lib/postgresql") : [];
        return installed.Select(version => Path.Combine(version, "bin"))
            .Concat((Environment.GetEnvironmentVariable("PATH") ?? "").Split(':'))
            .FirstOrDefault(folder => File.Exists(Path.Combine(folder, "initdb")))
            ?? throw new InvalidOperationException("PostgreSQL's programs are not on this machine; ./marionette test and bench install them.");
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        // pg_ctl's server would inherit a pipe and keep it open; its output goes to a file of the server's own.
        using var process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "exec \"$0\" \"$@\" >/dev/null </dev/null 2>&1", program, .. arguments]) { WorkingDirectory = "/" })!;
        await process.WaitForExitAsync();
        if (process.ExitCode != 0) throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}");
    }
}

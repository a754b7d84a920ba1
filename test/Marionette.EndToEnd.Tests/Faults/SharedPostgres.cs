using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>A PostgreSQL server that belongs to nobody but the test, to be stopped and started by hand.</summary>
internal sealed class SharedPostgres : IAsyncDisposable
{
    private readonly string _folder, _binaries;
    private readonly int _port = Ports.Free();

    private SharedPostgres(string folder, string binaries) => (_folder, _binaries) = (folder, binaries);

    public string ConnectionString => $"Host=127.0.0.1;Port={_port};Username=marionette;Database=postgres";

    private string Data => Path.Combine(_folder, "data");

    public static async Task<SharedPostgres> StartAsync()
    {
        var server = new SharedPostgres(Stack.NewFolder(), Binaries());
        if (Environment.UserName == "root") await RunAsync("chown", "postgres", server._folder);
        await server.RunAsServerAsync("initdb", "-D", server.Data, "-U", "marionette", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync");
        await server.StartServerAsync();
        return server;
    }

    public Task StartServerAsync() => RunAsServerAsync(
        "pg_ctl", "start", "-D", Data, "-w", "-s", "-l", Path.Combine(_folder, "log"),
        "-o", $"-h 127.0.0.1 -p {_port} -k {_folder} -c fsync=off -c shared_buffers=64MB -c max_connections=200");

    /// <summary>As a crash: no checkpoint, connections cut; the next start recovers from the log.</summary>
    public Task StopImmediatelyAsync() => RunAsServerAsync("pg_ctl", "stop", "-D", Data, "-m", "immediate", "-w", "-s");

    public async ValueTask DisposeAsync()
    {
        if (File.Exists(Path.Combine(Data, "postmaster.pid"))) await StopImmediatelyAsync();
        Stack.DeleteFolder(_folder);
    }

    /// <summary>PostgreSQL refuses to run as root.</summary>
    private Task RunAsServerAsync(string program, params string[] arguments) => Environment.UserName == "root"
        ? RunAsync("setpriv", ["--reuid=postgres", "--regid=postgres", "--clear-groups", Path.Combine(_binaries, program), .. arguments])
        : RunAsync(Path.Combine(_binaries, program), arguments);

    private static string Binaries()
    {
        var installed = Directory.Exists("/usr/lib/postgresql") ? Directory.EnumerateDirectories("/usr/lib/postgresql") : [];
        return installed.Select(version => Path.Combine(version, "bin"))
            .Concat((Environment.GetEnvironmentVariable("PATH") ?? "").Split(':'))
            .FirstOrDefault(folder => File.Exists(Path.Combine(folder, "initdb")))
            ?? throw new InvalidOperationException("PostgreSQL's programs are not on this machine; ./marionette test installs them.");
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        // pg_ctl's server would inherit a pipe and keep it open; its output goes to a file of the server's own.
        using var process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "exec \"$0\" \"$@\" >/dev/null </dev/null 2>&1", program, .. arguments]) { WorkingDirectory = "/" })!;
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}");
    }
}

internal static class Ports
{
    /// <summary>A port of loopback that was free a moment ago.</summary>
    public static int Free()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}

using System.Diagnostics;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>The embedded database of a stack, from outside: as an operator with the data folder would reach it.</summary>
internal static class Database
{
    /// <summary>Everything in it, as <c>pg_dump</c> writes it.</summary>
    public static async Task<string> DumpAsync(Stack stack)
    {
        var text = await RunAsync(stack, "pg_dump");
        Assert.Contains("PostgreSQL database dump complete", text);
        return text;
    }

    /// <summary>One statement, past everything that guards the tables.</summary>
    public static Task ExecuteAsync(Stack stack, string sql) => RunAsync(stack, "psql", "-v", "ON_ERROR_STOP=1", "-c", sql);

    /// <summary>Process ids of the server and its backends.</summary>
    public static async Task<List<int>> PidsAsync(Stack stack)
    {
        var parent = int.Parse((await File.ReadAllLinesAsync(Path.Combine(Root(stack), "cluster", "data", "postmaster.pid")))[0]);
        return [parent, .. ProcessTable.Below(parent)];
    }

    private static async Task<string> RunAsync(Stack stack, string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, ["-h", await SettingAsync(stack, "unix_socket_directories"), "-U", "marionette", .. arguments, "marionette"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["PGPASSWORD"] = (await File.ReadAllTextAsync(Path.Combine(Root(stack), "password"))).Trim() },
        };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var text = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, await errors);
        return text;
    }

    private static string Root(Stack stack) => Root(stack.DataDirectory);

    /// <summary>Where the cluster of a data folder lies.</summary>
    public static string Root(string dataDirectory)
    {
        var pointer = Path.Combine(dataDirectory, "postgres.location");
        return File.Exists(pointer) ? File.ReadAllText(pointer).Trim() : Path.Combine(dataDirectory, "postgres");
    }

    private static async Task<string> SettingAsync(Stack stack, string name)
    {
        var lines = await File.ReadAllLinesAsync(Path.Combine(Root(stack), "conf", "postgresql.conf"));
        return lines.Single(line => line.StartsWith(name + " =", StringComparison.Ordinal)).Split('\'')[1];
    }
}

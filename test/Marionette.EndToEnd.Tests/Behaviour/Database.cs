using System.Diagnostics;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>The embedded database of a stack, from outside: as an operator with the data folder would reach it.</summary>
internal static class Database
{
    /// <summary>Everything in it, as <c>pg_dump</c> writes it.</summary>
    public static async Task<string> DumpAsync(Stack stack)
    {
        var start = new ProcessStartInfo("pg_dump")
        {
            ArgumentList = { "-h", await SettingAsync(stack, "unix_socket_directories"), "-U", "marionette", "marionette" },
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["PGPASSWORD"] = (await File.ReadAllTextAsync(Path.Combine(Root(stack), "password"))).Trim() },
        };
        using var dump = Process.Start(start)!;
        var errors = dump.StandardError.ReadToEndAsync();
        var text = await dump.StandardOutput.ReadToEndAsync();
        await dump.WaitForExitAsync();
        Assert.True(dump.ExitCode == 0, await errors);
        Assert.Contains("PostgreSQL database dump complete", text);
        return text;
    }

    /// <summary>Process ids of the server and its backends.</summary>
    public static async Task<List<int>> PidsAsync(Stack stack)
    {
        var parent = int.Parse((await File.ReadAllLinesAsync(Path.Combine(Root(stack), "cluster", "data", "postmaster.pid")))[0]);
        return [parent, .. ProcessTable.Below(parent)];
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

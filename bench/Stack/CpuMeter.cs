using System.Globalization;

namespace Marionette.Bench.Stack;

/// <summary>Processor time of the server and of its database, as the kernel counts it: what a rate on a busy machine does not tell.</summary>
internal sealed class CpuMeter
{
    private const double SecondsPerTick = 0.01; // USER_HZ, the same on every Linux that .NET runs on

    private readonly int _server;
    private readonly string _database;
    private double _serverSum, _databaseSum, _ownSum, _units;
    private (double Server, double Database, double Own) _at;

    /// <param name="clusterName">Begins the title of each of the database's processes.</param>
    public CpuMeter(int server, string clusterName) => (_server, _database) = (server, $"postgres: {clusterName}: ");

    public void Start() => _at = Now();

    /// <summary>Adds what was used since the start.</summary>
    /// <param name="units">How much was done with it.</param>
    public void Stop(double units)
    {
        var now = Now();
        _serverSum += now.Server - _at.Server;
        _databaseSum += now.Database - _at.Database;
        _ownSum += now.Own - _at.Own;
        _units += units;
    }

    /// <summary>Microseconds of CPU for each unit, by process.</summary>
    public string PerUnit(string unit) => string.Create(
        CultureInfo.InvariantCulture,
        $"CPU an {unit}: server {_serverSum / _units * 1e6:0.0} µs, database {_databaseSum / _units * 1e6:0.0} µs, runner and client {_ownSum / _units * 1e6:0.0} µs");

    private (double Server, double Database, double Own) Now()
    {
        var database = 0.0;
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), out var pid) && Read(pid, "cmdline").StartsWith(_database, StringComparison.Ordinal)) database += SecondsOf(pid);
        }

        return (SecondsOf(_server), database, SecondsOf(Environment.ProcessId));
    }

    private static double SecondsOf(int pid)
    {
        var stat = Read(pid, "stat");
        if (stat.Length == 0) return 0;
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) * SecondsPerTick;
    }

    private static string Read(int pid, string name)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/{name}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}

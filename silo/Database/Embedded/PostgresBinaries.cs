using System.Text.RegularExpressions;

namespace Marionette.Silo.Database.Embedded;

/// <summary>The server programs of one PostgreSQL installation.</summary>
/// <param name="Directory">Folder of <c>initdb</c>, <c>pg_ctl</c> and <c>postgres</c>.</param>
/// <param name="MajorVersion">Such as 15: a cluster runs only on the major version that made it.</param>
internal sealed partial record PostgresBinaries(string Directory, int MajorVersion)
{
    private const int OldestMajorVersion = 14;
    private static readonly string[] Programs = ["initdb", "pg_ctl", "postgres"];

    public string InitDb => Path.Combine(Directory, "initdb");

    public string PgCtl => Path.Combine(Directory, "pg_ctl");

    /// <summary>
    /// Finds the newest installation, or the one of the major version that an existing cluster needs.
    /// </summary>
    /// <exception cref="EmbeddedPostgresException">There is none that fits.</exception>
    public static async Task<PostgresBinaries> FindAsync(
        string? given, int? needed, CancellationToken cancellationToken)
    {
        var found = new List<PostgresBinaries>();
        foreach (var directory in given is null ? Candidates() : [given])
        {
            if (!Programs.All(program => File.Exists(Path.Combine(directory, program)))) continue;
            var answer = await CommandRunner.RunAsync(Path.Combine(directory, "postgres"), ["--version"], cancellationToken);
            if (answer.ExitCode == 0 && Version().Match(answer.Output) is { Success: true } match)
                found.Add(new PostgresBinaries(directory, int.Parse(match.Groups[1].ValueSpan)));
        }

        // The first of equals stays first: PATH before the usual folders.
        found = [.. found.OrderByDescending(binaries => binaries.MajorVersion)];
        if (needed is { } version)
        {
            return found.FirstOrDefault(binaries => binaries.MajorVersion == version) ?? throw new EmbeddedPostgresException(
                $"The data folder was made by PostgreSQL {version}, whose programs are not on this machine: " +
                $"run `apt-get install postgresql-{version}`, or upgrade the cluster with pg_upgrade.");
        }

        if (found is not [var newest, ..])
        {
            throw new EmbeddedPostgresException(given is null
                ? "PostgreSQL's programs (initdb, pg_ctl, postgres) are neither in PATH nor in /usr/lib/postgresql/*/bin: " +
                  "run `apt-get install postgresql`, or give a connection string of a PostgreSQL server."
                : $"{given} does not hold PostgreSQL's programs (initdb, pg_ctl, postgres): " +
                  "run `apt-get install postgresql`, or name the folder that holds them.");
        }

        return newest.MajorVersion >= OldestMajorVersion ? newest : throw new EmbeddedPostgresException(
            $"PostgreSQL {newest.MajorVersion} in {newest.Directory} is too old; Marionette needs {OldestMajorVersion} " +
            "or newer: run `apt-get install postgresql`.");
    }

    private static IEnumerable<string> Candidates()
    {
        // PATH is how a machine says where its programs are; it is no setting of ours.
        var path = Environment.GetEnvironmentVariable("PATH") ?? "";
        var folders = path.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Where(Path.IsPathRooted);
        foreach (var root in (string[])["/usr/lib/postgresql", "/usr/local/pgsql", "/opt/homebrew/opt"])
        {
            if (!System.IO.Directory.Exists(root)) continue;
            folders = folders.Append(Path.Combine(root, "bin"))
                .Concat(System.IO.Directory.EnumerateDirectories(root).Select(version => Path.Combine(version, "bin")));
        }

        // The RPM packages of postgresql.org, and Red Hat's own.
        if (System.IO.Directory.Exists("/usr"))
        {
            folders = folders.Concat(System.IO.Directory.EnumerateDirectories("/usr", "pgsql-*")
                .Select(version => Path.Combine(version, "bin")));
        }

        return folders.Distinct();
    }

    [GeneratedRegex(@"\(PostgreSQL\) (\d+)")]
    private static partial Regex Version();
}

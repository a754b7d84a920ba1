using System.Security.Cryptography;
using System.Text;

namespace Marionette.Silo.Database.Embedded;

/// <summary>Where everything of one embedded server lies.</summary>
/// <param name="Root">Ours: holds the password, the lock and the configuration. Others may pass through, not
/// list.</param>
/// <param name="SocketDirectory">The server's: mode 0700, short enough for a socket's address.</param>
internal sealed record ClusterLayout(string Root, string SocketDirectory)
{
    /// <summary>Port number in the socket's file name; there is no TCP.</summary>
    public const int Port = 5432;

    /// <summary>Name of the database, and of the role that owns it.</summary>
    public const string DatabaseName = "marionette";

    /// <summary>The server's folder, mode 0700: holds the cluster and what a broken initdb left.</summary>
    public string ClusterDirectory => Path.Combine(Root, "cluster");

    /// <summary>PostgreSQL's data directory. It exists as soon as initdb has finished, and not before.</summary>
    public string DataDirectory => Path.Combine(ClusterDirectory, "data");

    /// <summary>
    /// Begins the title of every process of this server, for us and for people who look at the process list.
    /// </summary>
    public string ClusterName => "marionette-" + ShortName(Root);

    public string LogDirectory => Path.Combine(Root, "log");

    public string ConfigurationDirectory => Path.Combine(Root, "conf");

    /// <summary>The database password, mode 0600, ours.</summary>
    public string PasswordFile => Path.Combine(Root, "password");

    /// <summary>Held open and locked by the process that runs this server.</summary>
    public string LockFile => Path.Combine(Root, "lock");

    public string PostmasterPidFile => Path.Combine(DataDirectory, "postmaster.pid");

    public string SocketFile => SocketPath(SocketDirectory);

    /// <summary>The major version that made the cluster; null: there is none yet.</summary>
    public int? ClusterVersion()
    {
        var file = Path.Combine(DataDirectory, "PG_VERSION");
        return File.Exists(file) ? int.Parse(File.ReadAllText(file).Trim()) : null;
    }

    /// <summary>A name for a folder that is the same at each start: 12 hex digits of its full path's SHA-256.</summary>
    public static string ShortName(string folder) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Path.GetFullPath(folder))))[..12];

    /// <summary>
    /// Whether the socket's address fits the kernel's 107 bytes, with room for PostgreSQL's lock file.
    /// </summary>
    public static bool FitsSocketAddress(string directory) => Encoding.UTF8.GetByteCount(SocketPath(directory)) <= 100;

    private static string SocketPath(string directory) => Path.Combine(directory, $".s.PGSQL.{Port}");
}

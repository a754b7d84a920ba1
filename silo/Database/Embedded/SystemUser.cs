namespace Marionette.Silo.Database.Embedded;

/// <summary>A user of this machine.</summary>
internal sealed record SystemUser(string Name, string UserId, string GroupId)
{
    /// <summary>
    /// Whom the server runs as: PostgreSQL refuses to run as root, so a root process lends it to <c>postgres</c>, which
    /// the distribution's package makes, or to <c>nobody</c>. Null: nobody else, the current user does.
    /// </summary>
    /// <exception cref="EmbeddedPostgresException">We are root, and neither user exists.</exception>
    public static SystemUser? ForServer() => !Environment.IsPrivilegedProcess
        ? null
        : Find("postgres") ?? Find("nobody") ?? throw new EmbeddedPostgresException(
            "PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody: " +
            "run `useradd --system postgres`, or start Marionette as an unprivileged user.");

    /// <summary>Looks a name up in the local user table; null: not there.</summary>
    public static SystemUser? Find(string name)
    {
        foreach (var line in File.ReadLines("/etc/passwd"))
        {
            if (line.Split(':') is [var user, _, var userId, var groupId, ..] && user == name)
                return new SystemUser(user, userId, groupId);
        }

        return null;
    }

    /// <summary>The effective user of this process, as a number.</summary>
    public static string CurrentUserId()
    {
        foreach (var line in File.ReadLines("/proc/self/status"))
        {
            if (line.StartsWith("Uid:", StringComparison.Ordinal)) return line.Split('\t')[2];
        }

        throw new EmbeddedPostgresException("/proc/self/status does not name this process' user: is /proc mounted?");
    }
}

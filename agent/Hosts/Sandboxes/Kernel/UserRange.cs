using System.Globalization;
using Marionette.Protocol.Hosts.V1;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>
/// Users for runners: two numbers each, far from those of people, services and container engines. No two runners that are on the machine have the
/// same, nor does any have one that a process of somebody else's has.
/// </summary>
internal static class UserRange
{
    public const int First = 2_000_000_000, Count = 60_000;

    /// <summary>Picks a free one.</summary>
    /// <param name="wanted">The one that files belong to already; 0 for none.</param>
    /// <exception cref="HostFault">Capacity: all are taken.</exception>
    public static int Pick(int wanted, IReadOnlySet<int> taken)
    {
        var running = OfProcesses();
        if (IsFree(wanted))
            return wanted;
        // Not the lowest that is free: files that somebody forgot somewhere are nobody's for a while.
        var start = (int)(BitConverter.ToUInt32(Processes.Libc.RandomBytes(4)) % (Count / 2));
        for (var at = 0; at < Count / 2; at++)
        {
            var user = First + ((start + at) % (Count / 2) * 2);
            if (IsFree(user))
                return user;
        }

        throw new HostFault(FaultKind.Capacity, "Every user of the range has a runner.");

        bool IsFree(int user) => user is >= First and < First + Count && user % 2 == 0 && !taken.Contains(user)
            && !running.Contains(user) && !running.Contains(user + 1);
    }

    private static HashSet<int> OfProcesses()
    {
        var users = new HashSet<int>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out _))
                continue;
            try
            {
                var line = File.ReadLines(folder + "/status").FirstOrDefault(line => line.StartsWith("Uid:", StringComparison.Ordinal));
                if (line?.Split('\t') is [_, var user, ..] && int.TryParse(user, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
                    users.Add(number);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // It has ended meanwhile.
            }
        }

        return users;
    }
}

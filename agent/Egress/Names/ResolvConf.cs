using System.Net;

namespace Marionette.Agent.Egress.Names;

/// <summary>
/// The name servers of this machine, from its resolv.conf. The file is read again when it has changed: machines move between networks.
/// </summary>
internal sealed class ResolvConf(string path, TimeProvider clock)
{
    public const string DefaultPath = "/etc/resolv.conf";
    private const int MaxServers = 3;
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(2);

    private readonly Lock gate = new();
    private IReadOnlyList<IPEndPoint> servers = [];
    private DateTime stamp;
    private long looked;

    /// <summary>Servers in the order in which they are asked; none when the file names none.</summary>
    public IReadOnlyList<IPEndPoint> Servers()
    {
        lock (gate)
        {
            if (looked != 0 && clock.GetElapsedTime(looked) < LookAgain)
                return servers;
            looked = clock.GetTimestamp();
            try
            {
                var written = File.GetLastWriteTimeUtc(path);
                if (written != stamp)
                    (servers, stamp) = (Parse(File.ReadLines(path)), written);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // In the middle of a change, or gone: the servers so far are the best guess.
            }

            return servers;
        }
    }

    /// <summary>Takes the servers out of the file's lines.</summary>
    public static IReadOnlyList<IPEndPoint> Parse(IEnumerable<string> lines)
    {
        var found = new List<IPEndPoint>();
        foreach (var line in lines)
        {
            var words = line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (words is ["nameserver", var text, ..] && IPAddress.TryParse(text, out var address) && found.Count < MaxServers)
                found.Add(new IPEndPoint(address, 53));
        }

        return found;
    }
}

using System.Globalization;
using System.Runtime.InteropServices;

namespace Marionette.Cli.Local;

/// <summary>The processes of this machine, by what they were started with.</summary>
internal static partial class ProcessTable
{
    private const int SigTerm = 15;
    private const int SigKill = 9;

    /// <summary>Ids of processes of this program whose arguments name a folder, or something in it.</summary>
    /// <param name="program">Absolute path of the program, as it was started.</param>
    public static IReadOnlyList<int> Find(string program, string folder)
    {
        var found = new List<int>();
        foreach (var entry in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(entry), NumberStyles.None, CultureInfo.InvariantCulture, out var id) && Arguments(id) is [var first, .. var rest]
                && first == program && rest.Any(word => word == folder || word.StartsWith(folder + "/", StringComparison.Ordinal)))
                found.Add(id);
        }
        return found;
    }

    /// <summary>Asks a process to end; if it does not within the time, ends it.</summary>
    public static async Task StopAsync(int id, string program, TimeSpan patience, TimeProvider clock)
    {
        _ = Kill(id, SigTerm);
        var began = clock.GetTimestamp();
        // The id could become another's: it is ours only as long as it runs our program.
        while (Arguments(id) is [var first, ..] && first == program)
        {
            if (clock.GetElapsedTime(began) > patience)
            {
                _ = Kill(id, SigKill);
                return;
            }
            await Task.Delay(TimeSpan.FromMilliseconds(50), clock).ConfigureAwait(false);
        }
    }

    private static string[]? Arguments(int id)
    {
        try
        {
            return File.ReadAllText($"/proc/{id}/cmdline").Split('\0', StringSplitOptions.RemoveEmptyEntries);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Gone meanwhile, or somebody else's.
            return null;
        }
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int process, int signal);
}

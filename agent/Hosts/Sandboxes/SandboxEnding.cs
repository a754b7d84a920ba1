using System.Text.RegularExpressions;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>Reads out of what is left of a sandbox why it ended. The causes are those of docs/reference/events.md.</summary>
internal static partial class SandboxEnding
{
    public const string Exited = "exited", Killed = "killed", OutOfMemory = "out_of_memory", DiskFull = "disk_full", HostLost = "host_lost",
        Removed = "removed";

    private const int KilledCode = 128 + 9;
    private const long NearlyNothing = 1 << 20;

    /// <param name="end">What its first process wrote; null when that was ended as well.</param>
    /// <param name="kills">Times that the kernel ended a process of it for want of memory.</param>
    public static (int? Code, string Cause, string Detail) Of(SandboxEnd? end, long kills)
    {
        if (end is null)
        {
            return kills > 0
                ? (null, OutOfMemory, "The kernel ended processes of the runner: it needed more memory than its profile has.")
                : (null, Killed, "Somebody ended the first process of its sandbox.");
        }

        var last = end.Said.Trim().Split('\n')[^1] is { Length: > 0 } line ? $" Its last words: {line}" : "";
        // Of the agent itself or of a child that it could not do without: either way there was too little.
        if (kills > 0 && end.Code != 0)
            return (end.Code, OutOfMemory,
                $"The kernel ended a process of the runner, which needed more memory than its profile has; exit code {end.Code}.{last}");
        if (end.Code != 0 && (SaysFull(end.Said) || end.FreeBytes < NearlyNothing))
            return (end.Code, DiskFull, $"The agent ended with exit code {end.Code}, and its disk was full.{last}");
        return end.Code == KilledCode
            ? (end.Code, Killed, "A signal that was not ours ended the agent." + last)
            : (end.Code, Exited, $"The agent ended with exit code {end.Code}.{last}");
    }

    /// <summary>Whether a text tells of a full disk.</summary>
    public static bool SaysFull(string text) => FullDisk().IsMatch(text);

    [GeneratedRegex("No space left on device|Disk quota exceeded|There is not enough space on the disk", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex FullDisk();
}

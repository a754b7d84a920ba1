using System.Collections;
using System.Runtime.InteropServices;

namespace Marionette.Cli.Local;

/// <summary>
/// Replaces this process by another program: the id that the user sees (and kills) is then the server's own, with no parent between.
/// </summary>
internal static partial class ProcessImage
{
    /// <summary>Does not return when it works.</summary>
    /// <param name="command">The program's path, then its arguments.</param>
    /// <param name="extra">Variables set on top of this process's own.</param>
    /// <exception cref="CliException">The system refused.</exception>
    public static void Replace(IReadOnlyList<string> command, params (string Name, string Value)[] extra)
    {
        Console.Out.Flush();
        Console.Error.Flush();
        _ = Execve(command[0], [.. command, null], [.. Variables(extra), null]);
        throw new CliException($"cannot start {command[0]}: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    // The runtime's own view of the environment: the C library's does not see what managed code has set.
    private static IEnumerable<string> Variables((string Name, string Value)[] extra)
    {
        var all = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().ToDictionary(entry => (string)entry.Key, entry => (string?)entry.Value);
        foreach (var (name, value) in extra)
            all[name] = value;
        return all.Select(pair => $"{pair.Key}={pair.Value}");
    }

    [LibraryImport("libc", EntryPoint = "execve", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Execve(string path, string?[] arguments, string?[] environment);
}

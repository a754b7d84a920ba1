using System.Text;

namespace Marionette.Agent.Agents.Permissions;

/// <summary>Reads a command line as a POSIX shell would split it.</summary>
internal static class ShellWords
{
    private static readonly string[] Shells = ["sh", "bash", "zsh", "dash"];

    /// <summary>
    /// The script of <c>/bin/bash -lc '…'</c>; any other command as it is. What a policy is to match is what runs, not the shell around it.
    /// </summary>
    public static string Unwrap(string command) =>
        Split(command) is [var shell, "-c" or "-lc" or "-ilc", var script] && Shells.Contains(Path.GetFileName(shell)) ? script : command;

    /// <returns>The words, or null when a quote is not closed.</returns>
    public static IReadOnlyList<string>? Split(string command)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        var began = false;
        for (var i = 0; i < command.Length; i++)
        {
            var c = command[i];
            if (c is ' ' or '\t' or '\n')
            {
                if (began)
                    words.Add(word.ToString());
                word.Clear();
                began = false;
                continue;
            }

            began = true;
            var end = c switch
            {
                '\'' => Single(command, i, word),
                '"' => Double(command, i, word),
                _ => Bare(command, i, word),
            };
            if (end < 0)
                return null;
            i = end;
        }

        if (began)
            words.Add(word.ToString());
        return words;
    }

    private static int Single(string command, int at, StringBuilder word)
    {
        var end = command.IndexOf('\'', at + 1);
        if (end >= 0)
            word.Append(command, at + 1, end - at - 1);
        return end;
    }

    private static int Double(string command, int at, StringBuilder word)
    {
        for (var i = at + 1; i < command.Length; i++)
        {
            if (command[i] == '"')
                return i;
            if (command[i] == '\\' && i + 1 < command.Length && command[i + 1] is '"' or '\\' or '$' or '`')
                i++;
            word.Append(command[i]);
        }

        return -1;
    }

    private static int Bare(string command, int at, StringBuilder word)
    {
        if (command[at] != '\\')
        {
            word.Append(command[at]);
            return at;
        }

        if (at + 1 >= command.Length)
            return -1;
        word.Append(command[at + 1]);
        return at + 1;
    }
}

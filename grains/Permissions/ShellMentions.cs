using System.Collections.Immutable;

namespace Marionette.Permissions;

/// <summary>
/// The commands that a simple command amounts to, for rules that deny or ask: <c>sudo env X=1 /bin/rm y</c> mentions <c>rm y</c>. It finds too
/// much rather than too little, which for a denial is the safe side.
/// </summary>
internal static class ShellMentions
{
    private const int MaxMentions = 2000, MaxDepth = 4;

    private static readonly HashSet<string> Wrappers = new(StringComparer.Ordinal)
    {
        "sudo", "doas", "su", "env", "nohup", "nice", "time", "timeout", "command", "builtin", "exec", "xargs", "stdbuf", "setsid", "ionice", "busybox", "watch",
        "strace", "ssh", "parallel", "chroot", "unshare", "nsenter", "flock", "script", "find", "npx", "chrt", "taskset", "runuser", "pkexec", "entr",
    };

    private static readonly HashSet<string> Shells = new(StringComparer.Ordinal) { "sh", "bash", "zsh", "dash", "ash", "ksh", "fish", "su", "eval", "source", "." };

    public static List<ImmutableArray<string>> Of(ShellCommand command)
    {
        var mentions = new List<ImmutableArray<string>>();
        Collect(command.Words, mentions, 0, new ShellParser.Work());
        return mentions;
    }

    /// <summary>The program without the folder it lies in.</summary>
    public static string ProgramOf(ImmutableArray<string> words) => words.IsEmpty ? "" : words[0][(words[0].LastIndexOf('/') + 1)..];

    public static bool IsShell(string program) => Shells.Contains(program) && program is not ("su" or "eval" or "source" or ".");

    private static void Collect(ImmutableArray<string> words, List<ImmutableArray<string>> mentions, int depth, ShellParser.Work work)
    {
        Add(words, mentions, depth, work);
        if (!Wrappers.Contains(ProgramOf(words))) return;
        // Which of a wrapper's words is the program cannot be told without knowing its options: each may be.
        for (var i = 1; i < words.Length && mentions.Count < MaxMentions; i++)
            if (!words[i].StartsWith('-') && !words[i].Contains('=')) Add(words[i..], mentions, depth, work);
    }

    private static void Add(ImmutableArray<string> words, List<ImmutableArray<string>> mentions, int depth, ShellParser.Work work)
    {
        if (words.IsEmpty || mentions.Count >= MaxMentions) return;
        mentions.Add(words);
        var program = ProgramOf(words);
        if (program != words[0]) mentions.Add(words.SetItem(0, program));
        if (depth >= MaxDepth || !Shells.Contains(program)) return;
        IEnumerable<string> scripts = program == "eval" ? [string.Join(' ', words.Skip(1))] : words.Skip(1);
        foreach (var script in scripts)
            foreach (var inner in ShellParser.Parse(script, depth + 1, work).Commands) Collect(inner.Words, mentions, depth + 1, work);
    }
}

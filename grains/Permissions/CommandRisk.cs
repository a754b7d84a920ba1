using System.Collections.Immutable;

namespace Marionette.Permissions;

/// <summary>The part of the risk that lies in a shell command.</summary>
internal static class CommandRisk
{
    /// <summary>Programs that only read, whatever their arguments.</summary>
    private static readonly HashSet<string> Readers = new(StringComparer.Ordinal)
    {
        "ls", "pwd", "cat", "head", "tail", "wc", "grep", "egrep", "fgrep", "which", "whoami", "id", "uname", "date", "echo", "printf", "true", "false",
        "stat", "file", "basename", "dirname", "realpath", "readlink", "diff", "cmp", "cut", "tr", "nl", "du", "df", "ps", "hostname", "arch", "nproc", "test", "[",
    };

    private static readonly HashSet<string> GitReaders = new(StringComparer.Ordinal) { "status", "log", "show", "blame", "rev-parse", "ls-files", "describe", "shortlog" };

    private static readonly HashSet<string> Elevators = new(StringComparer.Ordinal) { "sudo", "doas", "su", "pkexec", "runuser" };

    private static readonly HashSet<string> Fetchers = new(StringComparer.Ordinal) { "curl", "wget", "fetch", "http", "https", "aria2c", "base64", "openssl" };

    private static readonly HashSet<string> Interpreters = new(StringComparer.Ordinal) { "python", "python3", "perl", "ruby", "node", "php", "osascript", "pwsh" };

    /// <summary>Whether nothing but readers runs, and nothing is written.</summary>
    public static bool OnlyReads(ShellScript script) => script.IsUnderstood && script.Commands.All(command =>
        command.Oddity is null && !command.Words.IsEmpty
        && (Readers.Contains(command.Words[0]) || command.Words is ["git", var verb, ..] && GitReaders.Contains(verb) && !command.Words.Any(w => w.StartsWith("--output", StringComparison.Ordinal))));

    public static void Classify(ShellScript script, RiskNote note)
    {
        if (script.NotUnderstood is { } why) note.Raise(Risk.High, $"the command cannot be read: {why}");
        var fetched = false;
        foreach (var command in script.Commands)
        {
            var mentions = ShellMentions.Of(command);
            if (!command.ReadsPipe) fetched = false;
            if (fetched && mentions.Any(m => ShellMentions.IsShell(ShellMentions.ProgramOf(m)) || Interpreters.Contains(ShellMentions.ProgramOf(m))))
                note.Raise(Risk.Critical, "runs what it fetches");
            fetched |= mentions.Any(m => Fetchers.Contains(ShellMentions.ProgramOf(m)));
            foreach (var words in mentions) OfMention(words, note);
        }

        if (script.Commands.Any(c => ShellMentions.Of(c).Any(m => ShellMentions.ProgramOf(m) is "eval" or "source" or "."
            || ShellMentions.IsShell(ShellMentions.ProgramOf(m)) && m.Contains("-c"))) && script.Commands.Any(c => Fetchers.Contains(ShellMentions.ProgramOf(c.Words))))
            note.Raise(Risk.Critical, "runs what it fetches");
    }

    private static void OfMention(ImmutableArray<string> words, RiskNote note)
    {
        var program = ShellMentions.ProgramOf(words);
        if (Elevators.Contains(program)) note.Raise(Risk.Critical, $"runs as another user ({program})");
        switch (program)
        {
            case "rm": Remove(words, note); break;
            case "git": Git(words, note); break;
            case "chmod" or "chown" or "chgrp": Owner(words, note); break;
            case "dd" when words.Any(w => w.StartsWith("of=/dev/", StringComparison.Ordinal)):
            case "shred" or "wipefs" or "fdisk" or "parted" or "mkswap":
            case var _ when program.StartsWith("mkfs", StringComparison.Ordinal): note.Raise(Risk.Critical, "writes to a disk as a whole"); break;
            case "shutdown" or "reboot" or "halt" or "poweroff" or "init": note.Raise(Risk.Critical, "stops the machine"); break;
            case "kill" or "killall" or "pkill" when words.Contains("-1") && words.Contains("-9"): note.Raise(Risk.Critical, "ends every process"); break;
            case "crontab" or "at" or "systemctl" or "launchctl" or "service": note.Raise(Risk.High, "changes what runs by itself later"); break;
            case "nc" or "ncat" or "socat" or "telnet": note.Raise(Risk.High, "opens a raw connection"); break;
            case "npm" or "yarn" or "pnpm" or "cargo" or "gem" or "twine" or "docker" or "helm" when words.Any(w => w is "publish" or "push" or "upload" or "yank"):
                note.Raise(Risk.High, "publishes"); break;
            case "terraform" or "tofu" or "pulumi" when words.Any(w => w is "apply" or "destroy" or "up"):
            case "kubectl" when words.Any(w => w is "delete" or "drain" or "replace"): note.Raise(Risk.Critical, "changes what is deployed"); break;
            case "find" when words.Contains("-delete"): note.Raise(Risk.High, "deletes what it finds"); break;
            case ":(){" or ":": break;
        }
    }

    private static void Remove(ImmutableArray<string> words, RiskNote note)
    {
        var recursive = words.Any(w => w == "--recursive" || w.Length > 1 && w[0] == '-' && w[1] != '-' && w.AsSpan().ContainsAny('r', 'R'));
        note.Raise(Risk.High, recursive ? "deletes folders" : "deletes files");
        if (!recursive) return;
        if (words.Contains("--no-preserve-root") || words.Skip(1).Any(IsWide)) note.Raise(Risk.Critical, "deletes folders far up");
    }

    /// <summary>A root, a home, a folder of the first level, the folder above, or all that is here.</summary>
    private static bool IsWide(string word)
    {
        if (word.StartsWith('-')) return false;
        var path = word.TrimEnd('/', '*');
        if (word is "*" or "." or "./" or "./*" or "/" or "/*" || path is "" or "~" or "$HOME" or "${HOME}" or "..") return true;
        if (path.Contains("../", StringComparison.Ordinal) || path.EndsWith("/..", StringComparison.Ordinal)) return true;
        return path[0] == '/' && path.Trim('/').Split('/', StringSplitOptions.RemoveEmptyEntries).Length <= 1 && path is not ("/tmp" or "/workspace");
    }

    private static void Git(ImmutableArray<string> words, RiskNote note)
    {
        if (words.Contains("push"))
        {
            note.Raise(Risk.High, "pushes");
            if (words.Any(w => w is "-f" or "--force" or "--mirror" or "--delete" or "-d" or "--prune" || w.StartsWith("--force-", StringComparison.Ordinal)
                || w.Length > 1 && w[0] is '+' or ':' || w.Length > 2 && w[0] == '-' && w[1] != '-' && w.Contains('f')))
                note.Raise(Risk.Critical, "rewrites or deletes what others have");
        }

        if (words.Contains("reset") && words.Contains("--hard") || words.Contains("clean") && words.Any(w => w.StartsWith('-') && w.Contains('f')))
            note.Raise(Risk.High, "throws uncommitted work away");
        if (words.Contains("filter-branch") || words.Contains("filter-repo")) note.Raise(Risk.Critical, "rewrites history");
        if (words.Any(w => w is "-c" or "--exec-path" || w.StartsWith("--upload-pack", StringComparison.Ordinal) || w.StartsWith("--config", StringComparison.Ordinal)))
            note.Raise(Risk.High, "sets git options that can run programs");
    }

    private static void Owner(ImmutableArray<string> words, RiskNote note)
    {
        if (words.Any(w => w is "777" or "0777" or "a+rwx" or "o+w") || words.Any(w => w.Contains("+s", StringComparison.Ordinal))) note.Raise(Risk.High, "opens files to everybody");
        if (words.Any(w => w is "-R" or "--recursive") && words.Skip(1).Any(IsWide)) note.Raise(Risk.Critical, "changes the owner or the mode far up");
    }
}

namespace Marionette.Permissions;

/// <summary>
/// Says how much a request risks, by what is asked: a function of its text alone. It informs people and rules; it is no sandbox, and a command
/// that hides what it does is at least as risky as one that says it.
/// </summary>
internal static class RiskClassifier
{
    private static readonly string[] Credentials =
    [
        "**/.ssh/**", "**/.aws/**", "**/.gnupg/**", "**/.kube/config", "**/.docker/config.json", "**/.netrc", "**/.git-credentials", "**/.npmrc", "**/.pypirc",
        "**/.config/gcloud/**", "**/.azure/**", "**/id_rsa*", "**/id_ed25519*", "**/*.pem", "**/*.p12", "**/credentials", "**/credentials.json", "/etc/shadow", "/etc/sudoers*",
        "/proc/*/environ", "/proc/*/mem",
    ];

    private static readonly string[] System =
        ["/etc/**", "/usr/**", "/bin/**", "/sbin/**", "/lib/**", "/lib64/**", "/boot/**", "/dev/**", "/sys/**", "/proc/**", "/root/**", "/var/spool/**", "/"];

    private static readonly string[] StartUp =
    [
        "**/.bashrc", "**/.profile", "**/.bash_profile", "**/.zshrc", "**/.zprofile", "**/.git/hooks/**", "**/.git/config", "**/.claude/**", "**/.codex/**",
        "**/.mcp.json", "**/.vscode/**", "**/.github/workflows/**", "**/.gitlab-ci.yml", "**/.envrc",
    ];

    public static RiskNote Classify(PermissionSubject subject, ShellScript? script)
    {
        var note = new RiskNote(BaseOf(subject, script));
        if (script is not null) CommandRisk.Classify(script, note);
        foreach (var path in subject.Paths) OfPath(path, subject, note);
        foreach (var host in subject.Hosts) OfHost(host, note);
        if (script is null) return note;
        foreach (var command in script.Commands)
        {
            foreach (var word in command.Words.Skip(1)) OfMentionedPath(word, subject, note);
            foreach (var target in command.Targets) OfTarget(target, subject, note);
        }

        foreach (var host in SubjectText.HostsOf(script)) OfHost(host, note);
        return note;
    }

    public static bool IsCredential(PathText path) => Credentials.Any(path.IsMatch);

    public static bool IsSystem(PathText path) => path.InWorkspace is null && path.InHome is null && System.Any(path.IsMatch);

    private static string BaseOf(PermissionSubject subject, ShellScript? script) => subject.Category switch
    {
        "command" => script is not null && CommandRisk.OnlyReads(script) ? Risk.Low : Risk.High,
        "read" or "question" => Risk.Low,
        "edit" or "network" or "plan" => Risk.Medium,
        "delete" or "mcp" => Risk.High,
        _ => OfTool(subject.Tool),
    };

    /// <summary>For agents that say no category.</summary>
    private static string OfTool(string tool) => tool switch
    {
        "Read" or "Grep" or "Glob" or "LS" or "TodoWrite" => Risk.Low,
        "Bash" or "KillShell" => Risk.High,
        _ when tool.StartsWith("mcp__", StringComparison.Ordinal) => Risk.High,
        _ => Risk.Medium,
    };

    private static void OfPath(string text, PermissionSubject subject, RiskNote note)
    {
        if (PathText.Of(text, subject.WorkspaceId) is not { } path)
        {
            note.Raise(Risk.High, "a path leaves the folder that it starts from, or is none");
            return;
        }

        var reads = subject.Category == "read";
        if (IsCredential(path)) note.Raise(Risk.Critical, $"{(reads ? "reads" : "touches")} credentials");
        if (StartUp.Any(path.IsMatch) && !reads) note.Raise(Risk.High, "changes what runs by itself later");
        if (reads) return;
        if (IsSystem(path)) note.Raise(Risk.Critical, "writes to the system");
        // Without a workspace nothing is known to lie inside of it.
        else if (path is { InWorkspace: null } && !string.IsNullOrEmpty(subject.WorkspaceId)) note.Raise(Risk.High, "writes outside of the workspace");
    }

    private static void OfMentionedPath(string word, PermissionSubject subject, RiskNote note)
    {
        foreach (var path in SubjectText.PathsOf(word, subject.WorkspaceId))
            if (IsCredential(path)) note.Raise(Risk.Critical, "touches credentials");
    }

    private static void OfTarget(string target, PermissionSubject subject, RiskNote note)
    {
        note.Raise(Risk.Medium, "redirects to a file");
        foreach (var path in SubjectText.PathsOf(target, subject.WorkspaceId))
        {
            if (IsCredential(path)) note.Raise(Risk.Critical, "touches credentials");
            else if (IsSystem(path)) note.Raise(Risk.Critical, "writes to the system");
            else if (StartUp.Any(path.IsMatch)) note.Raise(Risk.High, "changes what runs by itself later");
        }
    }

    private static void OfHost(string host, RiskNote note)
    {
        if (HostText.Normalize(host) is not { } name) note.Raise(Risk.High, "a host's name is none");
        else if (name is "169.254.169.254" or "metadata.google.internal" or "fd00:ec2::254") note.Raise(Risk.Critical, "asks a cloud's metadata service, which gives credentials");
        else if (HostText.IsPrivate(name)) note.Raise(Risk.High, "reaches into a private network");
    }
}

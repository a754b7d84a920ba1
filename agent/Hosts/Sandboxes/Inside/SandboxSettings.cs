namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>Settings of a sandbox's own in place of the machine's.</summary>
internal static class SandboxSettings
{
    private const UnixFileMode Readable =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>Writes them into a folder that is to be <c>/etc</c>.</summary>
    public static void Write(string folder, string hostName)
    {
        foreach (var (name, text) in Files(hostName))
        {
            var path = Path.Combine(folder, name);
            File.WriteAllText(path, text);
            File.SetUnixFileMode(path, Readable);
        }
    }

    private static Dictionary<string, string> Files(string hostName) => new()
    {
        ["passwd"] = $"""
            root:x:0:0:root:/nonexistent:/usr/sbin/nologin
            agent:x:{InsidePaths.User}:{InsidePaths.User}::{InsidePaths.Home}:/bin/bash
            nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin

            """,
        ["group"] = $"root:x:0:\nagent:x:{InsidePaths.User}:\nnogroup:x:65534:\n",
        ["hosts"] = $"127.0.0.1 localhost {hostName}\n::1 localhost\n",
        ["hostname"] = hostName + "\n",
        // The network helper answers there; no other server is reached. Without a search list programs would make one of the host's name, and ask for
        // "api.example.com.run_…" as well: a name that no policy lists.
        ["resolv.conf"] = "nameserver 10.200.0.1\nsearch .\n",
        ["nsswitch.conf"] = "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
        ["profile"] = $"PATH=${{PATH:-{InsidePaths.SystemPath}}}\nexport PATH\n",
    };
}

using System.Text.Json;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>What gVisor is told: an OCI bundle, and its command lines.</summary>
internal static class RunscBundle
{
    public const string PidFile = "sandbox.pid";

    /// <summary>
    /// Runs a sandbox to its end. The network is the stack of the namespace that it is started in; limits are ours and around all its processes.
    /// </summary>
    public static IReadOnlyList<string> Run(SandboxPlan plan) =>
    [
        plan.Program, .. Options(plan.RunscRoot), "run", "--bundle", plan.View + "/bundle", "--pid-file", Path.Combine(plan.Folder, PidFile), plan.Name,
    ];

    /// <summary>A command about one: pause, resume, kill, delete.</summary>
    public static IReadOnlyList<string> Command(string program, string root, params IReadOnlyList<string> command) =>
        [program, .. Options(root), .. command];

    public static void Write(SandboxPlan plan, string root, string folder)
    {
        Directory.CreateDirectory(folder);
        using var file = File.Create(Path.Combine(folder, "config.json"));
        using var json = new Utf8JsonWriter(file);
        Write(json, plan, root);
    }

    public static void Write(Utf8JsonWriter json, SandboxPlan plan, string root)
    {
        json.WriteStartObject();
        json.WriteString("ociVersion", "1.0.2");
        json.WriteString("hostname", plan.Name);
        json.WriteStartObject("root");
        json.WriteString("path", root);
        json.WriteEndObject();
        WriteProcess(json, plan);
        json.WriteStartArray("mounts");
        WriteMount(json, "/proc", "proc", "proc");
        WriteMount(json, "/dev", "tmpfs", "tmpfs");
        WriteMount(json, "/dev/shm", "tmpfs", "tmpfs");
        // It would put one in memory over an empty folder of this name.
        WriteMount(json, "/tmp", "bind", root + "/tmp");
        json.WriteEndArray();
        json.WriteStartObject("linux");
        json.WriteStartArray("namespaces");
        // No network namespace: that of the caller.
        foreach (var kind in new[] { "user", "pid", "ipc", "uts", "mount" })
        {
            json.WriteStartObject();
            json.WriteString("type", kind);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        WriteMapping(json, "uidMappings", plan.User);
        WriteMapping(json, "gidMappings", plan.User);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static IReadOnlyList<string> Options(string root) =>
    [
        "--root", root, "--platform=systrap", "--network=host", "--ignore-cgroups", "--overlay2=none", "--host-uds=none", "--net-raw=false",
    ];

    private static void WriteProcess(Utf8JsonWriter json, SandboxPlan plan)
    {
        json.WriteStartObject("process");
        json.WriteStartObject("user");
        json.WriteNumber("uid", InsidePaths.User);
        json.WriteNumber("gid", InsidePaths.User);
        json.WriteEndObject();
        WriteStrings(json, "args", plan.Arguments);
        WriteStrings(json, "env", InsidePaths.Environment.Select(pair => $"{pair.Key}={pair.Value}"));
        json.WriteString("cwd", InsidePaths.Workspace);
        json.WriteBoolean("noNewPrivileges", true);
        json.WriteStartObject("capabilities");
        foreach (var set in new[] { "bounding", "effective", "permitted", "inheritable", "ambient" })
            WriteStrings(json, set, []);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteStrings(Utf8JsonWriter json, string name, IEnumerable<string> values)
    {
        json.WriteStartArray(name);
        foreach (var value in values)
            json.WriteStringValue(value);
        json.WriteEndArray();
    }

    private static void WriteMount(Utf8JsonWriter json, string place, string type, string source)
    {
        json.WriteStartObject();
        json.WriteString("destination", place);
        json.WriteString("type", type);
        json.WriteString("source", source);
        json.WriteEndObject();
    }

    // gVisor's own processes are the next user: neither root nor the one that the files belong to.
    private static void WriteMapping(Utf8JsonWriter json, string name, int user)
    {
        json.WriteStartArray(name);
        foreach (var (inside, outside) in new[] { (0, user + 1), (InsidePaths.User, user) })
        {
            json.WriteStartObject();
            json.WriteNumber("containerID", inside);
            json.WriteNumber("hostID", outside);
            json.WriteNumber("size", 1);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}

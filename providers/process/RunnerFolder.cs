using System.Text.Json;

namespace Marionette.Providers.Processes;

/// <summary>
/// The folder of one runner: <c>runners/&lt;run_…&gt;/</c> with <c>agent.json</c> (0600), <c>owner.json</c>, <c>pid</c>, <c>state/</c>
/// (the agent's spool) and <c>agent.log</c>. It is the mark by which the orphan sweep finds what is ours.
/// </summary>
internal sealed class RunnerFolder(string root, RunnerHandle handle)
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode OwnerFolder = OwnerOnly | UnixFileMode.UserExecute;

    public string Path { get; } = System.IO.Path.Combine(root, "runners", handle.RunnerKey[(handle.RunnerKey.IndexOf('/') + 1)..]);

    public string ConfigFile => System.IO.Path.Combine(Path, "agent.json");
    public string LogFile => System.IO.Path.Combine(Path, "agent.log");
    public string StateFolder => System.IO.Path.Combine(Path, "state");
    private string PidFile => System.IO.Path.Combine(Path, "pid");
    private string OwnerFile => System.IO.Path.Combine(Path, "owner.json");

    public bool Exists => Directory.Exists(Path);

    /// <summary>It belongs to another epoch of the runner: not ours to touch.</summary>
    public bool IsAnothers => OwnerOf(Path) is { } owner && owner != handle;

    public void Create()
    {
        Directory.CreateDirectory(Path, OwnerFolder);
        Directory.CreateDirectory(StateFolder, OwnerFolder);
        WriteOwnerOnly(OwnerFile, JsonSerializer.SerializeToUtf8Bytes(
            new RunnerOwner(handle.RunnerKey, handle.Epoch), ProcessJsonContext.Default.RunnerOwner));
    }

    public void WriteConfig(AgentConfig config) =>
        WriteOwnerOnly(ConfigFile, JsonSerializer.SerializeToUtf8Bytes(config, ProcessJsonContext.Default.AgentConfig));

    public void WritePid(ProcessIdentity identity) =>
        WriteOwnerOnly(PidFile, System.Text.Encoding.ASCII.GetBytes($"{identity.Pid} {identity.StartTicks}\n"));

    public ProcessIdentity? ReadPid()
    {
        try
        {
            var parts = File.ReadAllText(PidFile).Split(' ', '\n');
            return parts is [var pid, var start, ..] && int.TryParse(pid, out var p) && long.TryParse(start, out var s) ? new(p, s) : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>The runner that a folder says it belongs to; null for a folder that is not a runner's.</summary>
    public static RunnerHandle? OwnerOf(string folder)
    {
        try
        {
            var owner = JsonSerializer.Deserialize(File.ReadAllBytes(System.IO.Path.Combine(folder, "owner.json")), ProcessJsonContext.Default.RunnerOwner);
            return owner is null ? null : new RunnerHandle(owner.Runner, owner.Epoch);
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            return null;
        }
    }

    /// <summary>The last lines that the agent wrote, at most 2 KiB: the evidence when it ended by itself.</summary>
    public string LogTail()
    {
        try
        {
            using var file = new FileStream(LogFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            file.Seek(-Math.Min(file.Length, 2048), SeekOrigin.End);
            using var reader = new StreamReader(file);
            return reader.ReadToEnd().TrimEnd();
        }
        catch (IOException)
        {
            return "";
        }
    }

    public void Delete()
    {
        if (Exists) Directory.Delete(Path, recursive: true);
    }

    /// <summary>Whole or not at all, and never readable by others, not even for a moment.</summary>
    private static void WriteOwnerOnly(string path, byte[] content)
    {
        var temporary = path + ".new";
        File.Delete(temporary);
        using (var file = new FileStream(temporary, new FileStreamOptions
        {
            Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly,
        }))
        {
            file.Write(content);
            file.Flush(flushToDisk: true);
        }

        File.Move(temporary, path, overwrite: true);
    }
}
